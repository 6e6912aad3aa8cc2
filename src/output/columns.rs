//! From rows to Arrow: one builder for each column of a table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, ListBuilder, RecordBatch,
    StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder,
    UInt64Builder,
};
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use crate::record::schema::{Kind, Row, Table, Value};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Bytes of texts and lists after which a batch is closed, however few its rows are.
const BATCH_BYTES: usize = 8 << 20;

/// Time zone of every timestamp.
const UTC: &str = "UTC";

/// The Arrow schema of a table. Documentation is the metadata `doc` of each field.
pub(super) fn schema(table: &Table) -> SchemaRef {
    let fields = table.columns.iter().map(|column| {
        let doc = HashMap::from([("doc".to_owned(), column.doc.trim().to_owned())]);
        Field::new(column.name, data_type(column.kind), column.nullable).with_metadata(doc)
    });
    let doc = HashMap::from([("doc".to_owned(), table.doc.trim().to_owned())]);
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), doc))
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Bool => DataType::Boolean,
        Kind::U8 => DataType::UInt8,
        Kind::U16 => DataType::UInt16,
        Kind::U32 => DataType::UInt32,
        Kind::U64 => DataType::UInt64,
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        Kind::Text => DataType::Utf8,
        Kind::Enum => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Kind::Bytes => DataType::Binary,
        Kind::Hash => DataType::FixedSizeBinary(32),
        Kind::TextList => DataType::List(element(DataType::Utf8)),
        Kind::U32List => DataType::List(element(DataType::UInt32)),
        Kind::HashList => DataType::List(element(DataType::FixedSizeBinary(32))),
    }
}

/// Lists have no absent elements; the name is that of the Parquet specification.
fn element(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("element", data_type, false))
}

/// Columns that grow row by row.
pub(super) struct Columns {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
}

impl Columns {
    /// Empty columns of a table.
    pub(super) fn new(table: &Table) -> Self {
        let builders = table.columns.iter().map(|column| Builder::new(column.kind)).collect();
        Self { schema: schema(table), builders, rows: 0, bytes: 0 }
    }

    /// Adds a row of the same table.
    pub(super) fn push(&mut self, row: &impl Row) -> Result<(), ArrowError> {
        for (builder, value) in self.builders.iter_mut().zip(row.values()) {
            self.bytes += size(value);
            builder.append(value)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// It is time to [`take`](Self::take) the batch.
    pub(super) fn full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The rows since the last call.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        (self.rows, self.bytes) = (0, 0);
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.schema.clone(), arrays)
    }

    /// The Arrow schema.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Bytes that a value adds beyond its fixed size.
fn size(value: Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::TextList(list) => list.iter().map(|text| text.len() + size_of::<u32>()).sum(),
        Value::Uints(list) => size_of_val(list),
        Value::Hashes(list) => size_of_val(list),
        Value::Null | Value::Bool(_) | Value::Uint(_) | Value::Timestamp(_) => 0,
    }
}

enum Builder {
    Bool(BooleanBuilder),
    U8(UInt8Builder),
    U16(UInt16Builder),
    U32(UInt32Builder),
    U64(UInt64Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Enum(StringDictionaryBuilder<Int32Type>),
    Bytes(BinaryBuilder),
    Hash(FixedSizeBinaryBuilder),
    TextList(ListBuilder<StringBuilder>),
    U32List(ListBuilder<UInt32Builder>),
    HashList(ListBuilder<FixedSizeBinaryBuilder>),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::U8 => Self::U8(UInt8Builder::new()),
            Kind::U16 => Self::U16(UInt16Builder::new()),
            Kind::U32 => Self::U32(UInt32Builder::new()),
            Kind::U64 => Self::U64(UInt64Builder::new()),
            Kind::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Enum => Self::Enum(StringDictionaryBuilder::new()),
            Kind::Bytes => Self::Bytes(BinaryBuilder::new()),
            Kind::Hash => Self::Hash(FixedSizeBinaryBuilder::new(32)),
            Kind::TextList => {
                Self::TextList(ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8)))
            }
            Kind::U32List => {
                Self::U32List(ListBuilder::new(UInt32Builder::new()).with_field(element(DataType::UInt32)))
            }
            Kind::HashList => Self::HashList(
                ListBuilder::new(FixedSizeBinaryBuilder::new(32)).with_field(element(DataType::FixedSizeBinary(32))),
            ),
        }
    }

    /// Adds a value of the column's kind, or its absence.
    fn append(&mut self, value: Value<'_>) -> Result<(), ArrowError> {
        match (self, value) {
            (Self::Bool(to), Value::Bool(value)) => to.append_value(value),
            (Self::U8(to), Value::Uint(value)) => to.append_value(narrow(value)?),
            (Self::U16(to), Value::Uint(value)) => to.append_value(narrow(value)?),
            (Self::U32(to), Value::Uint(value)) => to.append_value(narrow(value)?),
            (Self::U64(to), Value::Uint(value)) => to.append_value(value),
            (Self::Timestamp(to), Value::Timestamp(value)) => to.append_value(value.0),
            (Self::Text(to), Value::Text(value)) => to.append_value(value),
            (Self::Enum(to), Value::Text(value)) => drop(to.append(value)?),
            (Self::Bytes(to), Value::Bytes(value)) => to.append_value(value),
            (Self::Hash(to), Value::Bytes(value)) => to.append_value(value)?,
            (Self::TextList(to), Value::TextList(list)) => {
                list.iter().for_each(|text| to.values().append_value(text));
                to.append(true);
            }
            (Self::U32List(to), Value::Uints(list)) => {
                to.values().append_slice(list);
                to.append(true);
            }
            (Self::HashList(to), Value::Hashes(list)) => {
                list.iter().try_for_each(|hash| to.values().append_value(hash))?;
                to.append(true);
            }
            (builder, Value::Null) => builder.append_null(),
            (_, value) => {
                return Err(ArrowError::InvalidArgumentError(format!("{value:?} is of another kind")));
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Self::Bool(to) => to.append_null(),
            Self::U8(to) => to.append_null(),
            Self::U16(to) => to.append_null(),
            Self::U32(to) => to.append_null(),
            Self::U64(to) => to.append_null(),
            Self::Timestamp(to) => to.append_null(),
            Self::Text(to) => to.append_null(),
            Self::Enum(to) => to.append_null(),
            Self::Bytes(to) => to.append_null(),
            Self::Hash(to) => to.append_null(),
            Self::TextList(to) => to.append(false),
            Self::U32List(to) => to.append(false),
            Self::HashList(to) => to.append(false),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        let builder: &mut dyn ArrayBuilder = match self {
            Self::Bool(from) => from,
            Self::U8(from) => from,
            Self::U16(from) => from,
            Self::U32(from) => from,
            Self::U64(from) => from,
            Self::Timestamp(from) => from,
            Self::Text(from) => from,
            Self::Enum(from) => from,
            Self::Bytes(from) => from,
            Self::Hash(from) => from,
            Self::TextList(from) => from,
            Self::U32List(from) => from,
            Self::HashList(from) => from,
        };
        builder.finish()
    }
}

fn narrow<T: TryFrom<u64>>(value: u64) -> Result<T, ArrowError> {
    T::try_from(value).map_err(|_| ArrowError::InvalidArgumentError(format!("{value} is too large for its column")))
}
