use std::collections::VecDeque;

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::random::Random;
use depmod_tests::system::System;

/// The modules of a graph such as `a:b,c b: c:b`: `x:y` means that x needs y; modules are in order of first
/// mention.
fn system_of(graph: &str) -> System {
    let mut system = System::new().complete();
    let mut lines = Vec::new();
    for (name, needs) in parse(graph) {
        let elf = Elf::new().export(format!("{name}_symbol"), Crc::Absolute(1));
        let elf = needs.iter().fold(elf, |elf, need| elf.need(format!("{need}_symbol")));
        let path = format!("kernel/{name}.ko");
        system = system.module(&path, elf);
        lines.push(path);
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    system.order(&lines)
}

fn parse(graph: &str) -> Vec<(&str, Vec<&str>)> {
    let nodes = graph.split(' ').filter_map(|node| node.split_once(':'));
    nodes.map(|(name, needs)| (name, needs.split(',').filter(|need| !need.is_empty()).collect())).collect()
}

#[test]
fn links_are_traced_in_cycles() {
    let run = system_of("a:b b:a").assert_same(&["-v"]);
    assert!(run.stdout().contains("a.ko needs \"b_symbol\": "), "{}", run.stdout());
}

#[test]
fn reported_cycles_equal_kmods() {
    for (graph, report) in [
        ("a:b b:a", &["a -> b -> a"][..]),
        ("a:a b:", &["a -> a"]),
        ("a:b,c b:a c:a", &["a -> c -> a", "a -> b -> a"]),
        ("a:b,c b:d c:d d:a", &["a -> c -> d -> a", "a -> b -> d -> a"]),
        ("a:b b:c c:a x:y y:x top:a,x leaf: z:leaf", &["a -> b -> c -> a", "x -> y -> x"]),
        ("a:b b:a,l l:m m:", &["a -> b -> a", "l"]),
        ("a:b b:a,l,m l:n m:n n:", &["a -> b -> a", "l", "m"]),
        ("k: i:e e: d:l b:l f:k,j l: j:d,f", &["j -> f -> j"]),
    ] {
        let run = system_of(graph).assert_same(&[]);
        assert_eq!(run.status.code(), Some(1), "{graph}");
        run.expect_untouched();
        for line in report {
            let line = format!("depmod: ERROR: Cycle detected: {line}\n");
            assert!(run.stderr().contains(&line), "{graph}: {}", run.stderr());
        }
    }
}

/// Whether kmod's report terminates: its algorithm, with its stack limit and a limit on steps.
fn kmod_survives(graph: &[Vec<usize>]) -> bool {
    let mut users = vec![0; graph.len()];
    for need in graph.iter().flatten() {
        users[*need] += 1;
    }
    let mut ready: Vec<usize> = (0..graph.len()).filter(|&node| users[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &need in &graph[node] {
            users[need] -= 1;
            if users[need] == 0 {
                ready.push(need);
            }
        }
    }
    let mut candidates: VecDeque<usize> = (0..graph.len()).filter(|&node| users[node] > 0).collect();
    let cap = candidates.len();
    let drop_candidate = |candidates: &mut VecDeque<usize>, node: usize| {
        if let Some(at) = candidates.iter().position(|&other| other == node) {
            candidates.rotate_left(at);
            candidates.pop_front();
        }
    };
    let mut visited = vec![false; graph.len()];
    let mut steps = 0;
    while let Some(root) = candidates.pop_front() {
        let mut stack = vec![vec![root]];
        while let Some(path) = stack.pop() {
            steps += 1;
            if steps > 10_000 {
                return false;
            }
            let node = path[path.len() - 1];
            if visited[node] && node == root {
                for &member in &path[..path.len() - 1] {
                    drop_candidate(&mut candidates, member);
                }
                continue;
            }
            visited[node] = true;
            if graph[node].is_empty() {
                drop_candidate(&mut candidates, node);
                continue;
            }
            for &need in &graph[node] {
                if stack.len() >= cap {
                    return false;
                }
                stack.push([&path[..], &[need]].concat());
            }
        }
    }
    true
}

#[test]
fn random_cyclic_graphs_are_reported_as_in_kmod() {
    let mut random = Random::new(2);
    let mut compared = 0;
    while compared < 60 {
        let count = 2 + random.below(9);
        let mut graph = vec![Vec::new(); count];
        for _ in 0..count + random.below(4) {
            let (from, to) = (random.below(count), random.below(count));
            if !graph[from].contains(&to) {
                graph[from].push(to);
            }
        }
        if !kmod_survives(&graph) {
            continue;
        }
        let nodes = graph.iter().enumerate().map(|(node, needs)| {
            let needs: Vec<String> = needs.iter().map(|need| format!("m{need}")).collect();
            format!("m{node}:{}", needs.join(","))
        });
        system_of(&nodes.collect::<Vec<_>>().join(" ")).assert_same(&[]);
        compared += 1;
    }
}
