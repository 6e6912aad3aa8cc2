//! The machinery of the one schema list: a row type declares its columns once, with type, unit and
//! documentation; everything else is derived from that declaration.

use crate::base::UtcMicros;

/// Logical type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// Unsigned integer of 8 bits.
    U8,
    /// Unsigned integer of 16 bits.
    U16,
    /// Unsigned integer of 32 bits.
    U32,
    /// Unsigned integer of 64 bits.
    U64,
    /// Microseconds since the UNIX epoch, UTC.
    Timestamp,
    /// UTF-8 text.
    Text,
    /// UTF-8 text from a small set of values, dictionary-encoded.
    Enum,
    /// Bytes.
    Bytes,
    /// SHA-256 fingerprint: 32 bytes.
    Hash,
    /// List of UTF-8 texts, in order.
    TextList,
    /// List of unsigned integers of 32 bits, in order.
    U32List,
    /// List of SHA-256 fingerprints, in order.
    HashList,
}

impl Kind {
    /// Type of the column as DuckDB names it.
    pub const fn sql_type(self) -> &'static str {
        match self {
            Self::Bool => "BOOLEAN",
            Self::U8 => "UTINYINT",
            Self::U16 => "USMALLINT",
            Self::U32 => "UINTEGER",
            Self::U64 => "UBIGINT",
            Self::Timestamp => "TIMESTAMP WITH TIME ZONE",
            Self::Text | Self::Enum => "VARCHAR",
            Self::Bytes | Self::Hash => "BLOB",
            Self::TextList => "VARCHAR[]",
            Self::U32List => "UINTEGER[]",
            Self::HashList => "BLOB[]",
        }
    }
}

/// One column's value, borrowed from its row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Absent.
    Null,
    /// For [`Kind::Bool`].
    Bool(bool),
    /// For [`Kind::U8`], [`Kind::U16`], [`Kind::U32`] and [`Kind::U64`].
    Uint(u64),
    /// For [`Kind::Timestamp`].
    Timestamp(UtcMicros),
    /// For [`Kind::Text`] and [`Kind::Enum`].
    Text(&'a str),
    /// For [`Kind::Bytes`] and [`Kind::Hash`].
    Bytes(&'a [u8]),
    /// For [`Kind::TextList`].
    TextList(&'a [String]),
    /// For [`Kind::U32List`].
    Uints(&'a [u32]),
    /// For [`Kind::HashList`].
    Hashes(&'a [[u8; 32]]),
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in the files.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// May be absent.
    pub nullable: bool,
    /// What it says, with unit and source.
    pub doc: &'static str,
}

/// One table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name: folder of its parts, view in `views.sql`.
    pub name: &'static str,
    /// What one row is.
    pub doc: &'static str,
    /// Columns in file order.
    pub columns: &'static [Column],
}

/// A row of a table.
pub trait Row {
    /// Its table.
    const TABLE: Table;

    /// Its values, one for each column of [`Row::TABLE`], in the same order.
    fn values(&self) -> impl Iterator<Item = Value<'_>>;
}

/// A type that can be a column.
pub trait Field {
    /// Logical type.
    const KIND: Kind;
    /// May be absent.
    const NULLABLE: bool = false;

    /// The value.
    fn value(&self) -> Value<'_>;
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Field::value)
    }
}

macro_rules! uint_fields {
    ($($ty:ty => $kind:ident,)*) => {$(
        impl Field for $ty {
            const KIND: Kind = Kind::$kind;

            fn value(&self) -> Value<'_> {
                Value::Uint(u64::from(*self))
            }
        }
    )*};
}

uint_fields! { u8 => U8, u16 => U16, u32 => U32, u64 => U64, }

impl Field for bool {
    const KIND: Kind = Kind::Bool;

    fn value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}

impl Field for UtcMicros {
    const KIND: Kind = Kind::Timestamp;

    fn value(&self) -> Value<'_> {
        Value::Timestamp(*self)
    }
}

impl Field for String {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

/// A value from a small fixed set.
impl Field for &'static str {
    const KIND: Kind = Kind::Enum;

    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Field for Vec<u8> {
    const KIND: Kind = Kind::Bytes;

    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl Field for [u8; 32] {
    const KIND: Kind = Kind::Hash;

    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}

impl Field for Vec<String> {
    const KIND: Kind = Kind::TextList;

    fn value(&self) -> Value<'_> {
        Value::TextList(self)
    }
}

impl Field for Vec<u32> {
    const KIND: Kind = Kind::U32List;

    fn value(&self) -> Value<'_> {
        Value::Uints(self)
    }
}

impl Field for Vec<[u8; 32]> {
    const KIND: Kind = Kind::HashList;

    fn value(&self) -> Value<'_> {
        Value::Hashes(self)
    }
}

/// Declares a row type and its table at once: the documentation of a field is the documentation of the column.
#[macro_export]
macro_rules! table {
    ($(#[doc = $table_doc:literal])+ $table:literal pub struct $row:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $ty:ty,)*
    }) => {
        $(#[doc = $table_doc])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $row { $($(#[doc = $doc])+ pub $field: $ty,)* }

        impl $crate::record::schema::Row for $row {
            const TABLE: $crate::record::schema::Table = $crate::record::schema::Table {
                name: $table,
                doc: concat!($($table_doc,)+),
                columns: &[$($crate::record::schema::Column {
                    name: stringify!($field),
                    kind: <$ty as $crate::record::schema::Field>::KIND,
                    nullable: <$ty as $crate::record::schema::Field>::NULLABLE,
                    doc: concat!($($doc,)+),
                },)*],
            };

            fn values(&self) -> impl Iterator<Item = $crate::record::schema::Value<'_>> {
                [$($crate::record::schema::Field::value(&self.$field),)*].into_iter()
            }
        }
    };
}

/// Every table of a dataset.
pub const TABLES: &[Table] = &[
    super::row::Host::TABLE,
    super::row::Handshake::TABLE,
    super::row::Certificate::TABLE,
    super::row::Chain::TABLE,
    super::row::Prefix::TABLE,
    super::row::Connection::TABLE,
    super::row::Verdict::TABLE,
];
