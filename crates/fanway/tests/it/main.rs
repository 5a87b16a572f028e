//! The library as a program sees it: over scripted targets in virtual time, and over loopback.

mod deliveries;
mod gates;
mod scene;
mod wire;
