"""What changed between two kernels, from the text files alone.

usage: diff_expected.py OLD NEW, two module directories with index files; prints JSON: kind -> sorted list of names.
"""
import fnmatch
import json
import re
import sys


def name_of(path):
    return path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")


def normal(alias):
    """Dashes are underscores, but not in brackets."""
    parts = re.split(r"(\[[^]]*\])", alias)
    return "".join(part if part.startswith("[") else part.replace("-", "_") for part in parts)


class Kernel:
    def __init__(self, directory):
        def lines(name):
            with open(f"{directory}/{name}", encoding="latin-1") as file:
                return [line for line in file.read().splitlines() if line and not line.startswith("#")]

        self.paths, self.needs = {}, {}
        for line in lines("modules.dep"):
            path, needs = line.split(":", 1)
            self.paths[name_of(path)] = path
            self.needs[name_of(path)] = {name_of(need) for need in needs.split()}
        self.builtin = {name_of(line) for line in lines("modules.builtin")}
        self.aliases, self.builtin_aliases = {}, {}
        for line in lines("modules.alias"):
            alias, module = line.removeprefix("alias ").rsplit(" ", 1)
            self.aliases.setdefault(normal(alias), set()).add(module)
        with open(f"{directory}/modules.builtin.modinfo", encoding="latin-1") as file:
            for entry in file.read().split("\0"):
                key, _, value = entry.partition("=")
                module, _, field = key.partition(".")
                if field == "alias":
                    self.builtin_aliases.setdefault(normal(value), set()).add(module.replace("-", "_"))
        self.symbols = {}
        for line in lines("modules.symbols"):
            _, symbol, module = line.split(" ")
            self.symbols[symbol.removeprefix("symbol:")] = module
        self.patterns = sorted(self.aliases.keys() | self.builtin_aliases.keys())
        self.compiled = [(re.split(r"[*?\[]", pattern)[0], re.compile(fnmatch.translate(pattern)).match)
                         for pattern in self.patterns]

    def serves(self, alias):
        if alias in self.aliases or alias in self.builtin_aliases or alias in self.paths or alias in self.builtin:
            return True
        return any(alias.startswith(head) and match(alias) for head, match in self.compiled)

    def serves_some(self, alias):
        matches = re.compile(fnmatch.translate(alias)).match
        return any(matches(pattern) for pattern in self.patterns)


def main():
    old, new = Kernel(sys.argv[1]), Kernel(sys.argv[2])
    found = {}

    def say(kind, name):
        found.setdefault(kind, []).append(name)

    for alias in old.patterns:
        modules = old.aliases.get(alias) or old.builtin_aliases[alias]
        if modules & new.builtin or new.serves(alias):
            continue
        if ":" not in alias:
            say("alias-lost", alias)
        else:
            say("driver-narrowed" if new.serves_some(alias) else "driver-lost", alias)
    stem = lambda path: path.split(".ko")[0]
    for name, path in old.paths.items():
        if name not in new.paths:
            say("became-builtin" if name in new.builtin else "module-lost", name)
            continue
        if stem(path) != stem(new.paths[name]):
            say("module-moved", name)
        if old.needs[name] != new.needs[name]:
            say("dependencies", name)
    for name in new.paths.keys() - old.paths.keys():
        say("became-module" if name in old.builtin else "module-gained", name)
    modular = old.paths.keys() | new.paths.keys()
    for kind, names in (("builtin-lost", old.builtin - new.builtin), ("builtin-gained", new.builtin - old.builtin)):
        for name in names - modular:
            say(kind, name)
    for symbol, module in old.symbols.items():
        if symbol not in new.symbols:
            if module not in new.builtin:
                say("symbol-lost", symbol)
        elif new.symbols[symbol] != module:
            say("symbol-moved", symbol)
    for symbol, module in new.symbols.items():
        if symbol not in old.symbols and module not in old.builtin:
            say("symbol-gained", symbol)
    print(json.dumps({kind: sorted(names) for kind, names in found.items()}))


main()
