#!/usr/bin/env python3
"""Whether the index files of a module directory are right: verify.py DIRECTORY [VERSION]."""

import ctypes
import os
import sys

depmod = ctypes.CDLL("libdepmod.so.0")
depmod.depmod_verify.restype = ctypes.c_void_p
depmod.depmod_list_length.restype = ctypes.c_size_t
for strings in (depmod.depmod_list_name, depmod.depmod_list_detail, depmod.depmod_last_error):
    strings.restype = ctypes.c_char_p
for entries in (depmod.depmod_list_name, depmod.depmod_list_detail):
    entries.argtypes = ctypes.c_void_p, ctypes.c_size_t
for lists in (depmod.depmod_list_length, depmod.depmod_list_free):
    lists.argtypes = (ctypes.c_void_p,)

directory = os.path.realpath(sys.argv[1])
version = sys.argv[2] if len(sys.argv) > 2 else os.path.basename(directory)
findings = depmod.depmod_verify(os.fsencode(directory), os.fsencode(version))
if not findings:
    sys.exit("verify.py: " + os.fsdecode(depmod.depmod_last_error()))
count = depmod.depmod_list_length(findings)
for at in range(count):
    name, why = depmod.depmod_list_name(findings, at), depmod.depmod_list_detail(findings, at)
    print(os.fsdecode(name), os.fsdecode(why))
depmod.depmod_list_free(findings)
print("all index files are right" if count == 0 else f"{count} finding{'s' if count > 1 else ''}")
