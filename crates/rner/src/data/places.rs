//! Where the sets of each source lie: found in a folder, or fetched into the cache of downloads.

use std::path::{Path, PathBuf};

use ner_datasets::{
    Catalogue, CatalogueEntry, CatalogueFile, Group, Member, Policy, SetOnDisk, open_data_dir,
    sets_in,
};

use super::fetching::Fetcher;
use super::index::Index;
use super::requirements::{catalogue, check, is_left_out};
use crate::error::{Context, Error, Result};
use crate::recipe::{CotSource, Data, DataSource};
use crate::run_dir::{Inputs, hash_path};
use crate::session::Session;

/// Where the rows of one source are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this program.
    Tiny,
    /// Among those that the training source has left over.
    Train,
    /// In files.
    Sets(Found),
}

/// The sets of a source, all of them on this machine.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The sets in their order.
    pub sets: Vec<Located>,
    /// Whether rows are drawn from the sets in proportion to their sizes.
    pub is_sampled: bool,
    /// What the benchmark is called, if it has a name of its own.
    pub title: Option<String>,
    /// Licences of what the catalogue knows.
    pub licences: Vec<String>,
    /// Sets that are not there, each with how to get it.
    pub missing: Vec<String>,
}

/// One set.
#[derive(Clone, Debug)]
pub struct Located {
    /// Its files.
    pub set: SetOnDisk,
    /// Which faults end the run: in files of the user's those that would lose rows, in files of others none, as they
    /// are what they are. Either way they are counted.
    pub policy: Policy,
}

/// All that a run reads, on this machine.
#[derive(Clone, Debug)]
pub struct Places {
    /// Sentences for the teacher; none if the chains of thought are there already.
    pub train: Option<Place>,
    /// The chains of thought that are there already.
    pub cot: Option<Place>,
    /// Prompts for GRPO.
    pub grpo: Place,
    /// The benchmark.
    pub eval: Place,
    /// The hashes of all that is read, by which a stage knows whether it is done.
    inputs: Inputs,
}

impl Places {
    /// Finds what `[data]` names, and fetches what is not there. All that is missing or not accepted is said at once,
    /// before anything is fetched.
    ///
    /// # Errors
    /// A source that is neither in the catalogue nor on disk, a licence that is not accepted, a download that fails.
    pub fn ready(data: &Data, session: &Session) -> Result<Self> {
        check(data)?;
        let mut finder = Finder::new(data, session)?;
        let (train, cot) = match data.cot_source() {
            CotSource::Generate => {
                let source = DataSource::parse(&data.train);
                (Some(finder.place("data.train", source)?), None)
            }
            CotSource::Ready(source) => (None, Some(finder.place("data.cot", source)?)),
        };
        Ok(Self {
            train,
            cot,
            grpo: finder.place("data.grpo", DataSource::parse(&data.grpo))?,
            eval: finder.place("data.eval", DataSource::parse(&data.eval))?,
            inputs: finder.inputs,
        })
    }

    /// The hashes of all that is read.
    pub fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }
}

/// Finds the sets of sources.
pub(crate) struct Finder<'a> {
    data: &'a Data,
    cache: PathBuf,
    catalogue: Catalogue,
    fetcher: Fetcher<'a>,
    inputs: Inputs,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(data: &'a Data, session: &'a Session) -> Result<Self> {
        let cache = data.cache_dir();
        Ok(Self {
            data,
            catalogue: catalogue()?,
            fetcher: Fetcher::new(cache.clone(), session)?,
            cache,
            inputs: Inputs::new(),
        })
    }

    /// The sets of a source; `key` names it in messages.
    ///
    /// # Errors
    /// As [`Places::ready`].
    pub(crate) fn place(&mut self, key: &str, source: DataSource) -> Result<Place> {
        match source {
            DataSource::Tiny => Ok(Place::Tiny),
            DataSource::Train => Ok(Place::Train),
            DataSource::Path(path) => {
                let found = in_path(key, &path)?;
                // Several keys may name one folder.
                let name = path.display().to_string();
                if !self.inputs.contains_key(&name) {
                    self.inputs.insert(name, hash_path(&path)?);
                }
                Ok(Place::Sets(found))
            }
            DataSource::Public(name) => self.of_dataset(&name).map(Place::Sets),
            DataSource::Group(name) => self.of_group(&name).map(Place::Sets),
        }
    }

    fn of_dataset(&mut self, name: &str) -> Result<Found> {
        let Some(entry) = self.catalogue.get(name).cloned() else {
            return Err(Error::usage(format!("{name}: not in the catalogue")));
        };
        self.fetch(&entry, &entry.files.iter().collect::<Vec<_>>())?;
        let members = self.members_of(&entry);
        let sets = members
            .iter()
            .filter_map(|member| SetOnDisk::of_member(member, &entry, &self.cache));
        Ok(Found {
            sets: sets.map(Located::of_others).collect(),
            licences: vec![entry.licence.clone()],
            ..Found::default()
        })
    }

    /// The sets of a dataset: those that a group divides it into, else it is one.
    fn members_of(&self, entry: &CatalogueEntry) -> Vec<Member> {
        let members = self
            .catalogue
            .groups
            .iter()
            .flat_map(|group| &group.members);
        let of_entry = members.filter(|member| {
            member.folder.is_some() && member.dataset.as_ref() == Some(&entry.name)
        });
        let divided: Vec<Member> = of_entry.cloned().collect();
        if !divided.is_empty() {
            return divided;
        }
        vec![Member {
            name: entry.name.clone(),
            dataset: Some(entry.name.clone()),
            ..Member::default()
        }]
    }

    fn of_group(&mut self, name: &str) -> Result<Found> {
        let Some(group) = self.catalogue.group(name).cloned() else {
            return Err(Error::usage(format!("{name}: no group of the catalogue")));
        };
        let mut found = Found {
            is_sampled: !group.complete,
            title: group.complete.then(|| group.title.clone()),
            ..Found::default()
        };
        for member in &group.members {
            if !is_left_out(self.data, &group, member) {
                self.add_member(&group, member, &mut found)?;
            }
        }
        found.licences.sort_unstable();
        found.licences.dedup();
        if found.sets.is_empty() {
            let missing = found.missing.join("\n  ");
            return Err(Error::usage(format!(
                "{name}: none of its sets is there:\n  {missing}"
            )));
        }
        Ok(found)
    }

    fn add_member(&mut self, group: &Group, member: &Member, found: &mut Found) -> Result<()> {
        let entry = self.catalogue.dataset_of(member).cloned();
        if !self.data.folder.is_empty() {
            let folder = Path::new(&self.data.folder);
            if let Some(set) = SetOnDisk::find(member, entry.as_ref(), folder) {
                self.note(&group.name, &set)?;
                found.sets.push(Located::of_user(set));
                return Ok(());
            }
        }
        let Some(entry) = entry else {
            let remedy = member.remedy.as_deref().unwrap_or_default();
            found.missing.push(format!("{}: {remedy}", member.name));
            return Ok(());
        };
        self.fetch(&entry, &member.files(&entry).collect::<Vec<_>>())?;
        let set = SetOnDisk::of_member(member, &entry, &self.cache);
        found.sets.extend(set.map(Located::of_others));
        found.licences.push(entry.licence);
        Ok(())
    }

    fn fetch(&mut self, entry: &CatalogueEntry, files: &[&CatalogueFile]) -> Result<()> {
        for (path, sha256) in self.fetcher.fetch(entry, files)? {
            self.inputs.insert(path, sha256);
        }
        Ok(())
    }

    /// Notes the hashes of a set of the user's.
    fn note(&mut self, group: &str, set: &SetOnDisk) -> Result<()> {
        for (i, path) in set.paths().enumerate() {
            let name = format!("{group}/{}/{i}", set.name);
            self.inputs.insert(name, hash_path(path)?);
        }
        Ok(())
    }
}

impl Located {
    fn of_user(set: SetOnDisk) -> Self {
        let policy = Policy::default();
        Self { set, policy }
    }

    fn of_others(set: SetOnDisk) -> Self {
        let policy = Policy::lenient();
        Self { set, policy }
    }
}

/// The sets of a file or folder: the seven of the benchmark where they are all there, in the order of an index that the
/// stage `data` of a run wrote, or whatever there is.
fn in_path(key: &str, path: &Path) -> Result<Found> {
    if path.is_file() {
        return Ok(of_user(vec![SetOnDisk::of_file(path)], None));
    }
    if !path.is_dir() {
        return Err(Error::usage(super::unknown_source(key, path)));
    }
    if let Ok(benchmark) = open_data_dir(path) {
        let found = benchmark.sets();
        let sets = found.filter_map(|(name, dir, _)| SetOnDisk::in_folder(name, dir));
        return Ok(of_user(sets.collect(), Some("CrossNER and MIT".into())));
    }
    let shown = || format!("{key} = {:?}", path.display().to_string());
    let mut sets = sets_in(path).with_context(shown)?;
    name_as_members(&mut sets)?;
    let index = Index::read(path)?;
    if let Some(index) = &index {
        sets.retain(|set| index.sets.contains(&set.name));
        sets.sort_by_key(|set| index.sets.iter().position(|name| *name == set.name));
    }
    Ok(of_user(sets, index.map(|index| index.name)))
}

fn of_user(sets: Vec<SetOnDisk>, title: Option<String>) -> Found {
    Found {
        sets: sets.into_iter().map(Located::of_user).collect(),
        title,
        ..Found::default()
    }
}

/// Gives sets in folders of the catalogue, such as `crossner/ai`, the names that they have there.
fn name_as_members(sets: &mut [SetOnDisk]) -> Result<()> {
    let catalogue = catalogue()?;
    let members = catalogue.groups.iter().flat_map(|group| &group.members);
    for member in members {
        let Some(folder) = &member.folder else {
            continue;
        };
        for set in sets.iter_mut() {
            let dir = set.paths().next().and_then(Path::parent);
            if dir.is_some_and(|dir| dir.ends_with(folder)) {
                set.name.clone_from(&member.name);
            }
        }
    }
    Ok(())
}
