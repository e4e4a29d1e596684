//! A load order as human-readable text.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::load_order::{LoadOrder, PlannedModule, Printable, Reason, Unplanned};

impl LoadOrder {
    /// The modules and their reasons, one per line; deterministic for a load order.
    ///
    /// ```text
    /// 6.1.0-50-cloud-amd64: 3 modules to load, 1 carried along
    ///
    /// load
    ///   kernel/drivers/virtio/virtio.ko: virtio_pci needs it
    /// ```
    #[must_use]
    pub fn report(&self, version: &str) -> String {
        let lines = |load: bool| -> Vec<String> {
            let modules = self.modules.iter().filter(|module| module.load == load);
            modules
                .map(|PlannedModule { path, reason, .. }| format!("{}: {}", Printable(path), short(reason)))
                .collect()
        };
        let (load, carry) = (lines(true), lines(false));
        let mut builtin = Vec::new();
        let mut missing = Vec::new();
        let mut blacklisted = Vec::new();
        for unplanned in &self.unplanned {
            match unplanned {
                Unplanned::Builtin { reason, names } => {
                    let names: Vec<_> = names.iter().map(|name| Printable(name).to_string()).collect();
                    builtin.push(format!("{}: {}", names.join(" "), short(reason)));
                }
                Unplanned::Blacklisted { reason, name } => {
                    blacklisted.push(format!("{}: {}", Printable(name), short(reason)));
                }
                Unplanned::Missing { reason: Reason::Requested(request), .. } => {
                    missing.push(request.to_string());
                }
                Unplanned::Missing { reason, query } => {
                    missing.push(format!("{}: {}", Printable(query), short(reason)));
                }
            }
        }
        let mut out = format!("{version}: {} modules to load, {} carried along\n", load.len(), carry.len());
        for (title, lines) in [
            ("load", load),
            ("carried along", carry),
            ("built in", builtin),
            ("blacklisted", blacklisted),
            ("no module", missing),
        ] {
            if !lines.is_empty() {
                out.push_str(&format!("\n{title}\n"));
                lines.iter().for_each(|line| out.push_str(&format!("  {line}\n")));
            }
        }
        out
    }
}

/// The short form of a reason, after a path.
fn short(reason: &Reason) -> String {
    match reason {
        Reason::Requested(request) => request.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;

    #[test]
    fn reports_have_all_parts() {
        let requests = [
            Request::new("pci:v1", "PCI 0000:00:01.0"),
            Request::new("net-pf-1", "x-depmod-preload"),
            Request::new("gone", "x-depmod-preload"),
        ];
        let asked = |number: usize| Reason::Requested(requests[number].clone());
        let module = |name: &str, load, reason| PlannedModule {
            name: name.into(),
            path: format!("kernel/{name}.ko").into(),
            load,
            reason,
        };
        let order = LoadOrder {
            modules: [
                module("virtio", true, Reason::NeededBy("virtio_pci".into())),
                module("virtio_pci", true, asked(0)),
                module("late", false, Reason::Later("virtio".into())),
            ]
            .into(),
            unplanned: [
                Unplanned::Builtin { reason: asked(1), names: ["unix".into()].into() },
                Unplanned::Blacklisted { reason: asked(0), name: "bad".into() },
                Unplanned::Missing { reason: asked(2), query: "gone".into() },
                Unplanned::Missing { reason: Reason::Before("a".into()), query: "x\ny".into() },
            ]
            .into(),
        };
        let expected = "6.1: 2 modules to load, 1 carried along

load
  kernel/virtio.ko: virtio_pci needs it
  kernel/virtio_pci.ko: pci:v1 (PCI 0000:00:01.0)

carried along
  kernel/late.ko: virtio may ask for it

built in
  unix: net-pf-1 (x-depmod-preload)

blacklisted
  bad: pci:v1 (PCI 0000:00:01.0)

no module
  gone (x-depmod-preload)
  x?y: a wants it before (softdep)
";
        assert_eq!(order.report("6.1"), expected);
    }
}
