//! Firmware side of depmod as a library.
#![no_std]
