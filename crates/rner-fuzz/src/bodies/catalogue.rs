//! Catalogues of datasets.

use ner_datasets::{Catalogue, CatalogueEntry};

/// Any text is a catalogue or an error, and each entry is the same when it is written and read again.
pub(crate) fn catalogue(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(catalogue) = Catalogue::parse(&text) else {
        return;
    };
    assert!(
        catalogue
            .names()
            .all(|name| { catalogue.get(name).is_some() || catalogue.group(name).is_some() })
    );
    for entry in &catalogue.datasets {
        let written = toml::to_string(entry).expect("an entry is written");
        let again: CatalogueEntry = toml::from_str(&written).expect("and read");
        assert_eq!(toml::to_string(&again).expect("written"), written);
        assert!(!entry.is_pinned() || entry.files.iter().all(|file| file.sha256.is_some()));
    }
    for member in catalogue.groups.iter().flat_map(|group| &group.members) {
        if let Some(entry) = catalogue.dataset_of(member) {
            assert!(member.files(entry).count() <= entry.files.len());
        }
    }
}
