//! The number of nodes of a radix tree, for XINFO.

/// Returns the number of nodes of a radix tree with these sorted keys of the same length. A node
/// has one key byte per child, or a sequence of bytes that has one child.
pub(super) fn radix_nodes<const N: usize>(keys: &[[u8; N]]) -> usize {
    if keys.is_empty() { 1 } else { below(keys, 0) }
}

/// Counts the nodes of keys that are equal before `depth`.
fn below<const N: usize>(keys: &[[u8; N]], depth: usize) -> usize {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return 0 };
    let common = first.iter().zip(last).skip(depth).take_while(|(one, other)| one == other).count();
    let branch = depth + common;
    let sequence = usize::from(common > 0);
    if branch >= N {
        return sequence + 1;
    }
    let children = keys.chunk_by(|one, other| one.get(branch) == other.get(branch));
    sequence + 1 + children.map(|keys| below(keys, branch + 1)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::radix_nodes;

    #[test]
    fn nodes_are_sequences_branches_and_leaves() {
        assert_eq!(radix_nodes::<4>(&[]), 1);
        assert_eq!(radix_nodes(&[*b"abcd"]), 2);
        // "ab", then "c" or "x", then "d" or "y", then the leaves.
        assert_eq!(radix_nodes(&[*b"abcd", *b"abxy"]), 6);
        assert_eq!(radix_nodes(&[*b"abcd", *b"abce"]), 4);
    }
}
