//! Where the data of a run comes from: what is present and what can be fetched, and what a score on it means.
//!
//! A recipe's `[data]` names sources ([`DataSource`](crate::recipe::DataSource)). [`requirements`] says of each,
//! without any request, whether it is on this machine; [`Places::ready`] fetches what is not; [`RunProtocol`] says
//! after reading whether the run is zero-shot.

mod fetching;
pub(crate) mod index;
pub(crate) mod judgement;
mod places;
mod protocol;
mod requirements;
pub(crate) mod rows;

pub(crate) use places::Finder;
pub use places::{Found, Located, Place, Places};
pub use protocol::{Overlap, PROTOCOL_FILE, Protocol, RunProtocol, SampledSet, Training};
pub(crate) use requirements::unknown_names;
pub use requirements::{Requirement, State, check, place_of, requirements};

use std::path::Path;

/// What to say of a source that is neither a name of the catalogue nor there.
fn unknown_source(key: &str, path: &Path) -> String {
    let given = path.display().to_string();
    let catalogue = requirements::catalogue().ok();
    let names: Vec<&str> = catalogue
        .iter()
        .flat_map(|catalogue| catalogue.names())
        .collect();
    let alike = |name: &&str| strsim::jaro_winkler(&given.to_lowercase(), name);
    let best = names.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    let near = best.filter(|name| alike(name) >= 0.8);
    let near = near.map_or_else(String::new, |name| format!("; did you mean {name}?"));
    format!(
        "{key} = {given:?}: neither a name of the catalogue (`rner data list`) nor a file or folder that is there{near}"
    )
}
