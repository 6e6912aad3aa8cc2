//! Rows: what a dataset holds, column by column, and how findings become rows.
//!
//! [`schema`] is the one list of columns: the Arrow schema, `docs/OUTPUT.md` and the checks of SQL come
//! from it. No Arrow and no files here.

pub mod row;
pub mod schema;
