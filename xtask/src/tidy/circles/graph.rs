//! The files of a crate as a graph of imports, and the circles in it.

use std::collections::{BTreeMap, BTreeSet};

/// Files by index, with the names that each imports from others.
pub(super) struct Graph {
    files: Vec<String>,
    /// The file whose module contains that of the file.
    parents: Vec<Option<usize>>,
    imports: BTreeMap<(usize, usize), BTreeSet<String>>,
}

impl Graph {
    pub(super) fn new(files: Vec<String>, parents: Vec<Option<usize>>) -> Self {
        Self {
            files,
            parents,
            imports: BTreeMap::new(),
        }
    }

    /// Notes that the file `from` imports `name` from the file `to`.
    pub(super) fn add(&mut self, from: usize, to: usize, name: &str) {
        if from != to {
            let names = self.imports.entry((from, to)).or_default();
            names.insert(name.to_owned());
        }
    }

    /// The groups of files that reach each other. Of a family, only circles between its children count.
    pub(super) fn circles(&self) -> Vec<Vec<usize>> {
        let below_root = self.edges(|from, _| self.parents[from].is_some());
        let all = groups(self.files.len(), &below_root).into_iter();
        let counted = all.flat_map(|circle| {
            if self.is_family(&circle) {
                self.between_children(&circle)
            } else {
                vec![circle]
            }
        });
        counted.collect()
    }

    /// True if the parent of every file but one is in the circle too.
    fn is_family(&self, circle: &[usize]) -> bool {
        let has_parent =
            |file: &&usize| self.parents[**file].is_some_and(|parent| circle.contains(&parent));
        circle.iter().filter(has_parent).count() + 1 == circle.len()
    }

    fn between_children(&self, family: &[usize]) -> Vec<Vec<usize>> {
        let edges = self.edges(|from, to| {
            let is_pair = self.parents[from] == Some(to) || self.parents[to] == Some(from);
            family.contains(&from) && family.contains(&to) && !is_pair
        });
        groups(self.files.len(), &edges)
    }

    fn edges(&self, counts: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
        let edges = self.imports.keys().copied();
        edges.filter(|(from, to)| counts(*from, *to)).collect()
    }

    /// The imports inside of a circle: file, imported file, names.
    pub(super) fn within(&self, circle: &[usize]) -> impl Iterator<Item = (&str, &str, Vec<&str>)> {
        let inside = self
            .imports
            .iter()
            .filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        inside.map(|((from, to), names)| {
            let names = names.iter().map(String::as_str).collect();
            (self.files[*from].as_str(), self.files[*to].as_str(), names)
        })
    }
}

/// The strongly connected components of more than one node.
fn groups(n_nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let reached: Vec<_> = (0..n_nodes)
        .map(|start| reached_from(start, edges))
        .collect();
    let mut groups = BTreeSet::new();
    for node in 0..n_nodes {
        let mutual = reached[node]
            .iter()
            .copied()
            .filter(|other| reached[*other].contains(&node));
        let group: Vec<_> = mutual.collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reached_from(start: usize, edges: &[(usize, usize)]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![start];
    while let Some(node) = pending.pop() {
        let next = edges.iter().filter(|(from, _)| *from == node);
        let new = next.filter_map(|(_, to)| reached.insert(*to).then_some(*to));
        pending.extend(new.collect::<Vec<_>>());
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_nodes_that_reach_each_other() {
        let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (5, 0)];
        assert_eq!(groups(6, &edges), [vec![0, 1, 2], vec![3, 4]]);
        assert!(groups(3, &[(0, 1), (1, 2)]).is_empty());
    }

    fn circles(parents: &[Option<usize>], edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
        let files = (0..parents.len()).map(|file| format!("{file}.rs"));
        let mut graph = Graph::new(files.collect(), parents.to_vec());
        for (from, to) in edges {
            graph.add(*from, *to, "A");
        }
        graph.circles()
    }

    const ROOT: Option<usize> = None;
    const TOP: Option<usize> = Some(0);

    #[test]
    fn a_file_does_not_import_from_itself_and_the_root_is_in_no_circle() {
        assert!(circles(&[ROOT, TOP], &[(1, 1)]).is_empty());
        assert!(circles(&[ROOT, TOP], &[(0, 1), (1, 0)]).is_empty());
    }

    #[test]
    fn a_pair_is_a_circle_only_if_neither_is_the_parent() {
        let edges = [(1, 2), (2, 1)];
        assert_eq!(circles(&[ROOT, TOP, TOP], &edges), [[1, 2]]);
        assert!(circles(&[ROOT, TOP, Some(1)], &edges).is_empty());
    }

    #[test]
    fn a_family_of_several_generations_is_no_circle_and_its_children_may_be() {
        let family = [ROOT, TOP, Some(1), Some(1), Some(3)];
        let pairs = [(1, 2), (2, 1), (1, 3), (3, 1), (3, 4), (4, 3), (2, 3)];
        assert!(circles(&family, &pairs).is_empty());
        let with_siblings = [&pairs[..], &[(3, 2)]].concat();
        assert_eq!(circles(&family, &with_siblings), [[2, 3]]);
    }
}
