//! What a config file becomes, and what is said about one that is wrong.

mod bodies;
mod callbacks;
mod cors;
mod counts;
mod documentation;
mod encrypting;
mod errors;
mod examples;
mod expressions;
mod fitting;
mod generations;
mod including;
mod limits;
mod network;
mod proving;
mod reaching;
mod references;
mod renames;
mod rendering;
mod robustness;
mod scene;
mod secrets;
mod signing;
mod terms;
mod values;
