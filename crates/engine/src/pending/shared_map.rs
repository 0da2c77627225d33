//! A sorted map whose copies share what they have in common: a copy costs nothing, and a change copies the few small
//! nodes on the way to its entry. A B-tree, because each of its nodes is one allocation for many entries: that makes a
//! change several times cheaper than in a persistent binary tree.

use std::sync::Arc;

/// The most entries of a leaf, and children of an inner node.
const WIDTH: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct SharedMap<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    /// The children, none of which is empty.
    Inner(Vec<Child<K, V>>),
}

/// A child with its bound: no key below the child is less, except where the child is the first of its node.
type Child<K, V> = (K, Arc<Node<K, V>>);

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        SharedMap { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

impl<K, V> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.len(),
        }
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Inner(children) => node = &children[child_of(children, key)].1,
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                    return Some(&entries[at].1);
                }
            }
        }
    }

    /// The entries in the order of their keys.
    pub(super) fn iter(&self) -> Iter<'_, K, V> {
        Iter { front: vec![(&self.root, 0)], back: vec![(&self.root, self.root.len())], left: self.len }
    }

    /// The entries in the order of their keys, from the first key that is not less than `from`.
    pub(super) fn iter_from<'a>(&'a self, from: &K) -> Iter<'a, K, V> {
        let (mut node, mut front) = (&*self.root, Vec::new());
        while let Node::Inner(children) = node {
            let at = child_of(children, from);
            front.push((node, at + 1));
            node = &children[at].1;
        }
        if let Node::Leaf(entries) = node {
            front.push((node, entries.partition_point(|(k, _)| k < from)));
        }
        // How many are left is not known; nobody asks from behind.
        Iter { front, back: Vec::new(), left: usize::MAX }
    }
}

/// The place of the child that has the key if one has.
fn child_of<K: Ord, V>(children: &[Child<K, V>], key: &K) -> usize {
    children.partition_point(|(bound, _)| bound <= key).saturating_sub(1)
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Inserts an entry, which replaces the one of the same key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let (added, sibling) = insert(&mut self.root, key, value);
        self.len += usize::from(added);
        if let Some(sibling) = sibling {
            let first = (sibling.0.clone(), self.root.clone());
            self.root = Arc::new(Node::Inner(vec![first, sibling]));
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if self.get(key).is_none() {
            return;
        }
        self.len -= 1;
        remove(&mut self.root, key);
        while let Node::Inner(children) = &*self.root
            && let [(_, only)] = &children[..]
        {
            self.root = only.clone();
        }
    }
}

/// Inserts an entry below a node. Returns whether there is an entry more, and the half of the node that has to become
/// another one.
fn insert<K: Ord + Clone, V: Clone>(node: &mut Arc<Node<K, V>>, key: K, value: V) -> (bool, Option<Child<K, V>>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => {
                entries[at].1 = value;
                (false, None)
            }
            Err(at) => {
                entries.insert(at, (key, value));
                (true, split(entries, at).map(|half| (half[0].0.clone(), Arc::new(Node::Leaf(half)))))
            }
        },
        Node::Inner(children) => {
            let at = child_of(children, &key);
            let (added, sibling) = insert(&mut children[at].1, key, value);
            let Some(sibling) = sibling else { return (added, None) };
            children.insert(at + 1, sibling);
            (added, split(children, at + 1).map(|half| (half[0].0.clone(), Arc::new(Node::Inner(half)))))
        }
    }
}

/// Splits off what is too much for a node. Keys that are inserted in their order leave full nodes behind.
fn split<T>(full: &mut Vec<T>, inserted: usize) -> Option<Vec<T>> {
    let len = full.len();
    (len > WIDTH).then(|| full.split_off(if inserted + 1 == len { inserted } else { len / 2 }))
}

/// Removes a key that is there.
fn remove<K: Ord + Clone, V: Clone>(node: &mut Arc<Node<K, V>>, key: &K) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            if let Ok(at) = entries.binary_search_by(|(k, _)| k.cmp(key)) {
                entries.remove(at);
            }
        }
        Node::Inner(children) => {
            let at = child_of(children, key);
            remove(&mut children[at].1, key);
            if children[at].1.len() == 0 {
                children.remove(at);
            }
        }
    }
}

pub(super) struct Iter<'a, K, V> {
    /// The path to the next entry: nodes, and which of their entries or children is next.
    front: Vec<(&'a Node<K, V>, usize)>,
    /// The path to the next entry from the end; the entry before the place is next.
    back: Vec<(&'a Node<K, V>, usize)>,
    left: usize,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        loop {
            let (node, at) = self.front.last_mut()?;
            let (node, place) = (*node, *at);
            *at += 1;
            match node {
                Node::Leaf(entries) if place < entries.len() => {
                    self.left -= 1;
                    return Some((&entries[place].0, &entries[place].1));
                }
                Node::Inner(children) if place < children.len() => self.front.push((&children[place].1, 0)),
                _ => drop(self.front.pop()),
            }
        }
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        loop {
            let (node, at) = self.back.last_mut()?;
            let Some(place) = at.checked_sub(1) else {
                self.back.pop();
                continue;
            };
            let node = *node;
            *at = place;
            match node {
                Node::Leaf(entries) => {
                    self.left -= 1;
                    return Some((&entries[place].0, &entries[place].1));
                }
                Node::Inner(children) => {
                    let child = &*children[place].1;
                    self.back.push((child, child.len()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(map: &SharedMap<u16, u32>, expected: &BTreeMap<u16, u32>) {
        let pairs: Vec<(u16, u32)> = expected.iter().map(|(k, v)| (*k, *v)).collect();
        let pair = |(k, v): (&u16, &u32)| (*k, *v);
        assert_eq!(map.len(), pairs.len());
        assert_eq!(map.iter().map(pair).collect::<Vec<_>>(), pairs);
        assert!(map.iter().rev().map(pair).eq(pairs.iter().rev().copied()));
        let mut both = map.iter();
        let ends = (both.next().map(pair), both.next_back().map(pair));
        assert_eq!(ends, (pairs.first().copied(), pairs.get(1..).and_then(<[_]>::last).copied()));
        for key in (0..=1000).step_by(7) {
            assert_eq!(map.get(&key), expected.get(&key));
            assert!(map.iter_from(&key).map(pair).eq(expected.range(key..).map(|(k, v)| (*k, *v))));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn is_a_map(first in 0u16..600, steps in prop::collection::vec((any::<bool>(), 0u16..1000), 0..600)) {
            let (mut map, mut expected) = (SharedMap::default(), BTreeMap::new());
            // Keys that come in their order, as event ids do.
            for key in 0..first {
                map.insert(key, 0);
                expected.insert(key, 0);
            }
            let (copy, then) = (map.clone(), expected.clone());
            for (value, (inserts, key)) in steps.into_iter().enumerate() {
                if inserts {
                    map.insert(key, value as u32);
                    expected.insert(key, value as u32);
                } else {
                    map.remove(&key);
                    expected.remove(&key);
                }
            }
            check(&map, &expected);
            check(&copy, &then);
            for key in 0..1000 {
                map.remove(&key);
            }
            check(&map, &BTreeMap::new());
        }
    }
}
