//! An answer: columns and rows, as DuckDB prints them.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;

/// A table of any columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// A value in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// None.
    Absent,
    /// A count, a share in percent or a year.
    Number(f64),
    /// Text of any origin: not to be trusted.
    Text(String),
}

impl Table {
    /// Reads what DuckDB prints in its mode `json`: an array of objects, their keys in the order of the columns.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let rows: Vec<Record> = serde_json::from_str(text)?;
        let columns = rows.first().map(|row| row.0.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
        let rows = rows.into_iter().map(|row| row.0.into_iter().map(|(_, cell)| cell).collect()).collect();
        Ok(Self { columns, rows })
    }

    /// Place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}

impl Cell {
    /// The number, if it is one.
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// As text: `-` if there is none.
    pub fn text(&self) -> String {
        match self {
            Self::Absent => "-".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// An object with its keys in order.
struct Record(Vec<(String, Cell)>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut cells = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    cells.push((name, cell(value)));
                }
                Ok(Record(cells))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn cell(value: serde_json::Value) -> Cell {
    match value {
        serde_json::Value::Null => Cell::Absent,
        serde_json::Value::Number(number) => number.as_f64().map_or(Cell::Absent, Cell::Number),
        serde_json::Value::String(text) => Cell::Text(text),
        other => Cell::Text(other.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_order_and_cells_their_kind() {
        let table = Table::from_json(r#"[{"z":1,"a":"\u001b[1m","m":null}, {"z":0.5,"a":"","m":true}]"#).unwrap();
        assert_eq!(table.columns, ["z", "a", "m"]);
        let row = |z, a: &str, m| vec![Cell::Number(z), Cell::Text(a.to_owned()), m];
        assert_eq!(table.rows, [row(1.0, "\u{1b}[1m", Cell::Absent), row(0.5, "", Cell::Text("true".to_owned()))]);
        assert_eq!(Table::from_json("[]").unwrap(), Table::default());
        Table::from_json("[1]").unwrap_err();
    }
}
