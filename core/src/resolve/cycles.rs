//! The report on dependency cycles.
//!
//! [`report_cycles`] reproduces kmod's text whenever kmod's own walk terminates
//! ([`reference::resolution`](crate::reference::resolution) §5.1). That walk does not terminate if it can
//! enter a cycle from outside, fails on dense graphs, and takes exponential time on large ones
//! ([`reference::known_bugs`](crate::reference::known_bugs) A3, A4, A12). In these cases each strongly
//! connected component is reported as shortest cycles that cover all its modules.

use alloc::{collections::VecDeque, vec, vec::Vec};

use super::{DependencyGraph, ModuleIndex, graph::PerModule};
use crate::limits::Limits;

/// The report on dependency cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Cycles, each from a module back to itself. kmod also prints a single name for a module outside the
    /// cycle that the cycle needs.
    pub cycles: Vec<Vec<ModuleIndex>>,
    /// Number of modules in cycles.
    pub modules: usize,
    /// Whether there are more cycles than [`Limits::cycle_lines`].
    pub cut: bool,
}

/// Reports the cycles among `unnumbered`, the modules without a topological number.
#[must_use]
pub fn report_cycles(graph: &DependencyGraph, unnumbered: &[ModuleIndex], limits: &Limits) -> CycleReport {
    let mut report = kmod_walk(graph, unnumbered, limits.cycle_steps)
        .unwrap_or_else(|| report_components(graph, unnumbered, limits.cycle_lines));
    if report.cycles.len() > limits.cycle_lines {
        report.cycles.truncate(limits.cycle_lines);
        report.cut = true;
    }
    report
}

/// A step of kmod's walk: a module and the previous step.
struct Step {
    module: ModuleIndex,
    parent: Option<usize>,
}

/// kmod's walk; `None` if it would not terminate within `budget` steps.
fn kmod_walk(graph: &DependencyGraph, unnumbered: &[ModuleIndex], mut budget: usize) -> Option<CycleReport> {
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
                // A cycle without the root: kmod would follow it forever.
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

/// Modules of the steps before `at`, nearest first.
fn ancestors(steps: &[Step], at: usize) -> Vec<ModuleIndex> {
    let parent = |&at: &usize| steps.get(at).and_then(|step| step.parent);
    core::iter::successors(parent(&at), parent)
        .filter_map(|at| steps.get(at).map(|step| step.module))
        .collect()
}

/// Removes `module` from the circular list: its successor becomes the head. Returns the number of steps.
fn remove(candidates: &mut VecDeque<ModuleIndex>, module: ModuleIndex) -> usize {
    let position = candidates.iter().position(|&candidate| candidate == module);
    if let Some(at) = position {
        candidates.rotate_left(at);
        candidates.pop_front();
    }
    position.unwrap_or(candidates.len())
}

/// Reports shortest cycles that cover all modules of each strongly connected component. Stops above `most`
/// cycles, but counts all modules.
#[must_use]
pub(crate) fn report_components(
    graph: &DependencyGraph,
    unnumbered: &[ModuleIndex],
    most: usize,
) -> CycleReport {
    let mut report = CycleReport::default();
    let component = components(graph, unnumbered);
    let mut size = PerModule::<usize>::new(graph);
    for id in unnumbered.iter().filter_map(|&module| component.get(module)) {
        size.set(id, size.get(id).saturating_add(1));
    }
    let mut reported = PerModule::<bool>::new(graph);
    let mut search = CycleSearch { reached_from: PerModule::new(graph), reached: Vec::new() };
    for &first in unnumbered {
        let Some(id) = component.get(first) else { continue };
        if size.get(id) < 2 && !graph.dependencies(first).contains(&first) {
            continue;
        }
        report.modules = report.modules.saturating_add(1);
        if reported.get(first) || report.cycles.len() > most {
            continue;
        }
        let cycle = search.shortest(graph, &component, first);
        cycle.iter().for_each(|&member| reported.set(member, true));
        report.cycles.push(cycle);
    }
    report
}

/// Breadth-first search for cycles, with a reused table.
struct CycleSearch {
    reached_from: PerModule<Option<ModuleIndex>>,
    reached: Vec<ModuleIndex>,
}

impl CycleSearch {
    /// A shortest cycle from `first` back to `first`, which must be in a cycle.
    fn shortest(
        &mut self,
        graph: &DependencyGraph,
        component: &PerModule<Option<ModuleIndex>>,
        first: ModuleIndex,
    ) -> Vec<ModuleIndex> {
        let mut queue = VecDeque::from([first]);
        while let Some(module) = queue.pop_front()
            && self.reached_from.get(first).is_none()
        {
            for &used in graph.dependencies(module) {
                if component.get(used) == component.get(first) && self.reached_from.get(used).is_none() {
                    self.reached_from.set(used, Some(module));
                    self.reached.push(used);
                    queue.push_back(used);
                }
            }
        }
        let mut cycle = vec![first];
        let mut at = first;
        while let Some(before) = self.reached_from.get(at) {
            cycle.push(before);
            at = before;
            if at == first {
                break;
            }
        }
        cycle.reverse();
        for module in self.reached.drain(..) {
            self.reached_from.set(module, None);
        }
        cycle
    }
}

/// An identifier of the strongly connected component of each of `modules` (Tarjan's algorithm, with an
/// explicit stack).
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
        // A module and the number of its finished dependencies.
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
                        // Resumes here after `used`, and then adopts its low number.
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

    /// `a:b,c b:` → a graph in order of first mention, and its report as text.
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
    fn reports_match_the_reference() {
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
    fn a3_cycles_entered_from_another_cycle_are_reported() {
        assert_eq!(report("a:b b:a,c c:d d:c"), ["a -> b -> a", "c -> d -> c", "4"]);
    }

    #[test]
    fn a4_complete_graphs_are_reported() {
        assert_eq!(report("a:b,c b:a,c c:a,b"), ["a -> b -> a", "c -> a -> c", "3"]);
    }

    #[test]
    fn a12_many_paths_do_not_take_exponential_time() {
        let mut text = String::new();
        for n in 0..40 {
            let next = (n + 1) % 40;
            text += &std::format!("a{n}:b{n},c{n} b{n}:a{next} c{n}:a{next} ");
        }
        let lines = report(text.trim_end());
        // One cycle through each b and each c, so that every module is reported.
        assert_eq!(lines.len(), 42);
        assert_eq!(lines[41], "120");
    }
}
