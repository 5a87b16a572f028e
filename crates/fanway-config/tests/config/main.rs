//! What a config file becomes, and what is said about one that is wrong.

mod documentation;
mod errors;
mod examples;
mod expressions;
mod fitting;
mod references;
mod rendering;
mod robustness;
mod scene;
mod values;
