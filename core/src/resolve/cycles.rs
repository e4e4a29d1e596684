//! The report on dependency cycles.
//!
//! [`report_cycles`] gives kmod's text wherever kmod's own walk comes to its end
//! ([`reference::resolution`](crate::reference::resolution) §5.1). That walk runs for ever when it can enter a cycle from outside,
//! gives up on dense graphs and takes exponential time on large ones ([`reference::known_bugs`](crate::reference::known_bugs) A3, A4,
//! A12). Then every knot of modules that need each other is reported once, by a shortest cycle through its
//! first module.

use alloc::{collections::VecDeque, vec, vec::Vec};

use super::{DependencyGraph, ModuleIndex, graph::PerModule};
use crate::limits::Limits;

/// What is to be said about cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Cycles, each from a module back to itself. kmod also prints a single name for a module that is
    /// merely needed by a cycle.
    pub cycles: Vec<Vec<ModuleIndex>>,
    /// How many modules are in cycles.
    pub modules: usize,
    /// There are more cycles than [`Limits::cycle_lines`] allows to list.
    pub cut: bool,
}

/// Describes the cycles among `unnumbered`, the modules that have no place in the order.
#[must_use]
pub fn report_cycles(graph: &DependencyGraph, unnumbered: &[ModuleIndex], limits: &Limits) -> CycleReport {
    let mut report =
        as_kmod(graph, unnumbered, limits.cycle_steps).unwrap_or_else(|| report_knots(graph, unnumbered));
    if report.cycles.len() > limits.cycle_lines {
        report.cycles.truncate(limits.cycle_lines);
        report.cut = true;
    }
    report
}

/// A step of kmod's walk: a module, and the step that led to it.
struct Step {
    module: ModuleIndex,
    parent: Option<usize>,
}

/// kmod's walk; `None` where it would not end, or not within `budget` steps.
fn as_kmod(graph: &DependencyGraph, unnumbered: &[ModuleIndex], mut budget: usize) -> Option<CycleReport> {
    let mut report = CycleReport::default();
    let mut candidates: VecDeque<ModuleIndex> = unnumbered.iter().copied().collect();
    let mut visited = PerModule::<bool>::new(graph);
    let mut in_cycle = PerModule::<bool>::new(graph);
    while let Some(root) = candidates.pop_front() {
        let mut steps = vec![Step { module: root, parent: None }];
        let mut stack = vec![0usize];
        while let Some(at) = stack.pop() {
            let module = steps.get(at)?.module;
            if visited.get(module) && module == root {
                let mut chain = ancestors(&steps, at);
                chain.reverse();
                for &member in &chain {
                    if !in_cycle.get(member) {
                        in_cycle.set(member, true);
                        report.modules = report.modules.saturating_add(1);
                    }
                    budget = budget.checked_sub(remove(&mut candidates, member))?;
                }
                chain.push(module);
                report.cycles.push(chain);
                continue;
            }
            visited.set(module, true);
            let dependencies = graph.dependencies(module);
            if dependencies.is_empty() {
                budget = budget.checked_sub(remove(&mut candidates, module))?;
                continue;
            }
            let above = ancestors(&steps, at);
            for &used in dependencies {
                budget = budget.checked_sub(above.len().saturating_add(1))?;
                // A cycle that does not contain the root: kmod would follow it for ever.
                if used != root && (used == module || above.contains(&used)) {
                    return None;
                }
                stack.push(steps.len());
                steps.push(Step { module: used, parent: Some(at) });
            }
        }
    }
    Some(report)
}

/// Modules of the steps that led to `at`, nearest first.
fn ancestors(steps: &[Step], at: usize) -> Vec<ModuleIndex> {
    let parent = |&at: &usize| steps.get(at).and_then(|step| step.parent);
    core::iter::successors(parent(&at), parent)
        .filter_map(|at| steps.get(at).map(|step| step.module))
        .collect()
}

/// Takes `module` out of the circular list: its successor becomes the head. Returns what it cost.
fn remove(candidates: &mut VecDeque<ModuleIndex>, module: ModuleIndex) -> usize {
    let position = candidates.iter().position(|&candidate| candidate == module);
    if let Some(at) = position {
        candidates.rotate_left(at);
        candidates.pop_front();
    }
    position.unwrap_or(candidates.len())
}

/// One shortest cycle for each knot of modules that need each other.
#[must_use]
pub fn report_knots(graph: &DependencyGraph, unnumbered: &[ModuleIndex]) -> CycleReport {
    let mut report = CycleReport::default();
    let component = components(graph, unnumbered);
    let mut size = PerModule::<usize>::new(graph);
    for knot in unnumbered.iter().filter_map(|&module| component.get(module)) {
        size.set(knot, size.get(knot).saturating_add(1));
    }
    let mut reported = PerModule::<bool>::new(graph);
    // Components share no module, so one table serves all of them.
    let mut reached_from = PerModule::<Option<ModuleIndex>>::new(graph);
    for &first in unnumbered {
        let Some(knot) = component.get(first) else { continue };
        let loops = size.get(knot) > 1 || graph.dependencies(first).contains(&first);
        if reported.get(knot) || !loops {
            continue;
        }
        reported.set(knot, true);
        report.modules = report.modules.saturating_add(size.get(knot));
        // Breadth first, so that the cycle is a shortest one.
        let mut queue = VecDeque::from([first]);
        while let Some(module) = queue.pop_front()
            && reached_from.get(first).is_none()
        {
            for &used in graph.dependencies(module) {
                if component.get(used) == Some(knot) && reached_from.get(used).is_none() {
                    reached_from.set(used, Some(module));
                    queue.push_back(used);
                }
            }
        }
        let mut cycle = vec![first];
        let mut at = first;
        while let Some(before) = reached_from.get(at) {
            cycle.push(before);
            at = before;
            if at == first {
                break;
            }
        }
        cycle.reverse();
        report.cycles.push(cycle);
    }
    report
}

/// For each of `modules` a name of its strongly connected component (Tarjan's algorithm, with a
/// stack of its own).
fn components(graph: &DependencyGraph, modules: &[ModuleIndex]) -> PerModule<Option<ModuleIndex>> {
    let mut component = PerModule::<Option<ModuleIndex>>::new(graph);
    let mut number = PerModule::<Option<u32>>::new(graph);
    let mut low = PerModule::<u32>::new(graph);
    let mut next = 0u32;
    let mut open: Vec<ModuleIndex> = Vec::new();
    for &root in modules {
        if number.get(root).is_some() {
            continue;
        }
        // A module and how many of its dependencies are done.
        let mut calls: Vec<(ModuleIndex, usize)> = vec![(root, 0)];
        while let Some((module, done)) = calls.pop() {
            let dependencies = graph.dependencies(module);
            if done == 0 && number.get(module).is_none() {
                number.set(module, Some(next));
                low.set(module, next);
                next = next.saturating_add(1);
                open.push(module);
            }
            if let Some(&used) = dependencies.get(done) {
                match number.get(used) {
                    None => {
                        // Comes back here when `used` is done, and then takes over its low number.
                        calls.push((module, done));
                        calls.push((used, 0));
                    }
                    Some(seen) => {
                        if component.get(used).is_none() {
                            low.set(module, low.get(module).min(low.get(used)).min(seen));
                        }
                        calls.push((module, done.saturating_add(1)));
                    }
                }
            } else if number.get(module) == Some(low.get(module)) {
                while let Some(member) = open.pop() {
                    component.set(member, Some(module));
                    if member == module {
                        break;
                    }
                }
            }
        }
    }
    component
}

#[cfg(test)]
mod tests {
    use super::super::TopologicalOrder;
    use super::*;
    use alloc::string::{String, ToString};

    /// `a:b,c b:` → a graph in order of mention, and the report in words.
    fn report(text: &str) -> Vec<String> {
        let names: Vec<&str> = text.split(' ').map(|word| word.split(':').next().unwrap()).collect();
        let mut graph = DependencyGraph::default();
        for word in text.split(' ') {
            let used = word.split(':').nth(1).unwrap_or("").split(',').filter(|name| !name.is_empty());
            graph.push(used.map(|name| names.iter().position(|n| *n == name).unwrap() as u32));
        }
        let rest = TopologicalOrder::new(&graph).expect_err("a cycle");
        let report = report_cycles(&graph, &rest, &Limits::DEFAULT);
        let line =
            |cycle: &Vec<u32>| cycle.iter().map(|&m| names[m as usize]).collect::<Vec<_>>().join(" -> ");
        let mut lines: Vec<String> = report.cycles.iter().map(line).collect();
        lines.push(report.modules.to_string());
        lines
    }

    #[test]
    fn examples_of_the_reference() {
        assert_eq!(report("a:b b:a"), ["a -> b -> a", "2"]);
        assert_eq!(report("a:a b:"), ["a -> a", "1"]);
        assert_eq!(report("a:b,c b:a c:a"), ["a -> c -> a", "a -> b -> a", "3"]);
        assert_eq!(report("a:b,c b:d c:d d:a"), ["a -> c -> d -> a", "a -> b -> d -> a", "4"]);
        assert_eq!(
            report("a:b b:c c:a x:y y:x top:a,x leaf: z:leaf"),
            ["a -> b -> c -> a", "x -> y -> x", "5"]
        );
        assert_eq!(report("a:b b:a,l l:m m:"), ["a -> b -> a", "l", "2"]);
        assert_eq!(report("a:b b:a,l,m l:n m:n n:"), ["a -> b -> a", "l", "m", "2"]);
        assert_eq!(report("k: i:e e: d:l b:l f:k,j l: j:d,f"), ["j -> f -> j", "2"]);
    }

    #[test]
    fn a3_cycle_entered_from_another_cycle() {
        assert_eq!(report("a:b b:a,c c:d d:c"), ["a -> b -> a", "c -> d -> c", "4"]);
    }

    #[test]
    fn a4_everyone_needs_everyone() {
        assert_eq!(report("a:b,c b:a,c c:a,b"), ["a -> b -> a", "3"]);
    }

    #[test]
    fn a12_many_paths_take_no_exponential_time() {
        let mut text = String::new();
        for n in 0..40 {
            let next = (n + 1) % 40;
            text += &std::format!("a{n}:b{n},c{n} b{n}:a{next} c{n}:a{next} ");
        }
        let lines = report(text.trim_end());
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], "120");
    }
}
