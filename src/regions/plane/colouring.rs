//! Colours such that neighbours differ.

use std::collections::BTreeSet;

use super::subdivision::Subdivision;

impl Subdivision {
    /// A number for each linear region, different for regions with a common edge: 0 and 1 where two are enough, as they are unless
    /// boundaries end or an odd number of them meets; else at most 0 to 5, because a planar graph always has a vertex
    /// with at most five neighbours (smallest-last colouring of Matula and Beck, 1983).
    pub fn colours(&self) -> Vec<u8> {
        let neighbours = self.neighbours();
        two_colours(&neighbours).unwrap_or_else(|| smallest_last(&neighbours))
    }

    /// The linear regions that share an edge with each, in order.
    fn neighbours(&self) -> Vec<Vec<u32>> {
        let mut neighbours = vec![Vec::new(); self.n_linear_regions()];
        for edge in self.edges() {
            let Some(other) = edge.cells.1 else { continue };
            let [a, b] = [edge.cells.0, other].map(|cell| self.cell(cell as usize).linear_region());
            if a != b {
                neighbours[a].push(b as u32);
                neighbours[b].push(a as u32);
            }
        }
        for regions in &mut neighbours {
            regions.sort_unstable();
            regions.dedup();
        }
        neighbours
    }
}

fn two_colours(neighbours: &[Vec<u32>]) -> Option<Vec<u8>> {
    let mut colours = vec![None; neighbours.len()];
    for start in 0..neighbours.len() {
        if colours[start].is_some() {
            continue;
        }
        colours[start] = Some(0);
        let mut open = vec![start];
        while let Some(region) = open.pop() {
            let other = 1 - colours[region]?;
            for &neighbour in &neighbours[region] {
                match &mut colours[neighbour as usize] {
                    Some(colour) if *colour == other => {}
                    Some(_) => return None,
                    none => {
                        *none = Some(other);
                        open.push(neighbour as usize);
                    }
                }
            }
        }
    }
    colours.into_iter().collect()
}

/// Takes away a region with the fewest neighbours again and again, then colours in the opposite order.
fn smallest_last(neighbours: &[Vec<u32>]) -> Vec<u8> {
    let mut degrees: Vec<usize> = neighbours.iter().map(Vec::len).collect();
    let mut left: BTreeSet<(usize, usize)> = degrees.iter().copied().enumerate().map(|(r, d)| (d, r)).collect();
    let mut taken = vec![false; neighbours.len()];
    let mut order = Vec::with_capacity(neighbours.len());
    while let Some((_, region)) = left.pop_first() {
        taken[region] = true;
        order.push(region);
        for neighbour in neighbours[region].iter().map(|&n| n as usize).filter(|&n| !taken[n]) {
            left.remove(&(degrees[neighbour], neighbour));
            degrees[neighbour] -= 1;
            left.insert((degrees[neighbour], neighbour));
        }
    }
    let mut colours = vec![u8::MAX; neighbours.len()];
    for &region in order.iter().rev() {
        let used = |colour: u8| neighbours[region].iter().any(|&n| colours[n as usize] == colour);
        colours[region] = (0..u8::MAX).find(|&colour| !used(colour)).unwrap_or(0);
    }
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(neighbours: &[Vec<u32>], colours: &[u8], most: u8) {
        for (region, others) in neighbours.iter().enumerate() {
            assert!(others.iter().all(|&other| colours[other as usize] != colours[region]), "{region}");
        }
        assert!(colours.iter().all(|&colour| colour < most), "{colours:?}");
    }

    #[test]
    fn neighbours_differ_with_few_colours() {
        // A ring of an odd and of an even number around a centre.
        for n in [5u32, 8] {
            let mut neighbours: Vec<Vec<u32>> = (0..n).map(|k| vec![(k + 1) % n, (k + n - 1) % n, n]).collect();
            neighbours.push((0..n).collect());
            assert!(two_colours(&neighbours).is_none());
            check(&neighbours, &smallest_last(&neighbours), if n % 2 == 0 { 3 } else { 4 });
            let ring: Vec<Vec<u32>> = (0..n).map(|k| vec![(k + 1) % n, (k + n - 1) % n]).collect();
            assert_eq!(two_colours(&ring).is_some(), n % 2 == 0);
            check(&ring, &smallest_last(&ring), 3);
        }
        assert_eq!(two_colours(&[Vec::new(), Vec::new()]), Some(vec![0, 0]));
    }
}
