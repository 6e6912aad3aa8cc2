//! The study from its dataset: questions in SQL, answers side by side, tables and figures.
//!
//! A [`question`] is an SQL file that says itself what it asks; the [`catalogue`] has them all. [`duckdb`] has the
//! DuckDB program answer them, [`compare`] puts the answers of several datasets and the paper's beside each other in a
//! [`sheet::Sheet`], which [`mod@print`] gives to a terminal or a program and [`html`], with the figures of [`chart`], to a
//! reader. This room meets the rest of the program in the dataset's files alone.

pub mod catalogue;
pub mod chart;
pub mod compare;
mod draw;
pub mod duckdb;
pub mod html;
pub mod print;
pub mod question;
pub mod sheet;
pub mod table;
