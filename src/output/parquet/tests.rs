#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may stop at the first surprise; table! makes pub rows")]

use super::*;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::Compression;
use ::parquet::file::statistics::Statistics;
use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int32Type};
use std::fs;
use std::sync::Arc;

use crate::table;

table! {
    /// Every kind of column.
    "everything" pub struct Everything {
        /// A flag.
        flag: bool,
        /// Maybe a flag.
        flag_maybe: Option<bool>,
        /// Eight bits.
        small: u8,
        /// Maybe sixteen bits.
        port: Option<u16>,
        /// Thirty-two bits.
        ip: u32,
        /// Maybe sixty-four bits.
        count: Option<u64>,
        /// A time.
        time: UtcMicros,
        /// Maybe a time.
        end: Option<UtcMicros>,
        /// Text.
        text: String,
        /// Maybe text.
        text_maybe: Option<String>,
        /// One of few.
        word: &'static str,
        /// Maybe one of few.
        word_maybe: Option<&'static str>,
        /// Bytes.
        bytes: Vec<u8>,
        /// A hash.
        hash: [u8; 32],
        /// Maybe a hash.
        hash_maybe: Option<[u8; 32]>,
        /// Texts.
        texts: Vec<String>,
        /// Hashes.
        hashes: Vec<[u8; 32]>,
    }
}

const NOW: UtcMicros = UtcMicros(1_700_000_000_000_000);

fn rows() -> Vec<Everything> {
    let full = Everything {
        flag: true,
        flag_maybe: Some(false),
        small: u8::MAX,
        port: Some(u16::MAX),
        ip: u32::MAX,
        count: Some(u64::MAX),
        time: UtcMicros(i64::MAX),
        end: Some(UtcMicros(i64::MIN)),
        text: "Grüße\0\r\n\u{1f4ec}".to_owned(),
        text_maybe: Some(String::new()),
        word: "smtp",
        word_maybe: Some("imap"),
        bytes: vec![0, 255, 7],
        hash: [0xab; 32],
        hash_maybe: Some([1; 32]),
        texts: vec!["AUTH PLAIN".to_owned(), String::new(), "x".repeat(100_000)],
        hashes: vec![[3; 32], [4; 32]],
    };
    vec![full.clone(), Everything::default(), Everything { word: "", word_maybe: Some("smtp"), ..full }]
}

fn writer(folder: &Path, limits: Limits) -> PartWriter<Everything> {
    PartWriter::new(folder, "run", limits)
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn list(values: ArrayRef, lengths: [usize; 3]) -> ListArray {
    let field = Arc::new(Field::new("element", values.data_type().clone(), false));
    ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, None)
}

fn fixed(values: &[Option<[u8; 32]>]) -> FixedSizeBinaryArray {
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.iter().copied(), 32).unwrap()
}

#[test]
fn every_kind_of_value_reads_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), Limits::default());
    for row in rows() {
        writer.write(&row, NOW).unwrap();
    }
    writer.close().unwrap();
    assert_eq!((writer.rows(), writer.parts()), (3, 1));

    let batch = read(&folder.path().join("run-00000.parquet"));
    let text = "Grüße\0\r\n\u{1f4ec}";
    let long = "x".repeat(100_000);
    let times = |values: Vec<Option<i64>>| TimestampMicrosecondArray::from(values).with_timezone("UTC");
    let texts = StringArray::from(vec!["AUTH PLAIN", "", &long, "AUTH PLAIN", "", &long]);
    let hashes = fixed(&[Some([3; 32]), Some([4; 32]), Some([3; 32]), Some([4; 32])]);
    let hashes = FixedSizeBinaryArray::new(32, hashes.values().clone(), None);
    let expected: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("flag_maybe", Arc::new(BooleanArray::from(vec![Some(false), None, Some(false)]))),
        ("small", Arc::new(UInt8Array::from(vec![255, 0, 255]))),
        ("port", Arc::new(UInt16Array::from(vec![Some(65535), None, Some(65535)]))),
        ("ip", Arc::new(UInt32Array::from(vec![u32::MAX, 0, u32::MAX]))),
        ("count", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(u64::MAX)]))),
        ("time", Arc::new(times(vec![Some(i64::MAX), Some(0), Some(i64::MAX)]))),
        ("end", Arc::new(times(vec![Some(i64::MIN), None, Some(i64::MIN)]))),
        ("text", Arc::new(StringArray::from(vec![text, "", text]))),
        ("text_maybe", Arc::new(StringArray::from(vec![Some(""), None, Some("")]))),
        ("word", Arc::new(DictionaryArray::<Int32Type>::from_iter(["smtp", "", ""]))),
        ("word_maybe", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("imap"), None, Some("smtp")]))),
        ("bytes", Arc::new(BinaryArray::from(vec![&[0u8, 255, 7][..], &[], &[0, 255, 7]]))),
        ("hash", Arc::new(fixed(&[Some([0xab; 32]), Some([0; 32]), Some([0xab; 32])]))),
        ("hash_maybe", Arc::new(fixed(&[Some([1; 32]), None, Some([1; 32])]))),
        ("texts", Arc::new(list(Arc::new(texts), [3, 0, 3]))),
        ("hashes", Arc::new(list(Arc::new(hashes), [2, 0, 2]))),
    ];
    assert_eq!(batch.num_columns(), expected.len());
    for (name, array) in expected {
        assert_eq!(batch.column_by_name(name).unwrap(), &array, "column {name}");
    }
}

#[test]
fn types_absence_and_documentation_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), Limits::default());
    rows().iter().for_each(|row| writer.write(row, NOW).unwrap());
    writer.close().unwrap();

    let file = File::open(folder.path().join("run-00000.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    for column in Everything::TABLE.columns {
        let field = reader.schema().field_with_name(column.name).unwrap();
        assert_eq!(field.is_nullable(), column.nullable, "column {}", column.name);
        assert_eq!(field.metadata()["doc"], column.doc.trim(), "column {}", column.name);
    }
    let hashes = reader.schema().field_with_name("hashes").unwrap().data_type().clone();
    assert_eq!(hashes, DataType::new_list(DataType::FixedSizeBinary(32), false).clone_named());

    let metadata = reader.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().unwrap();
    let value = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()).unwrap();
    assert_eq!(value("table.everything"), "Every kind of column.");
    assert_eq!(value("column.end"), "Maybe a time.");
    assert_eq!(metadata.created_by().unwrap(), concat!("starling ", env!("CARGO_PKG_VERSION")));

    let group = reader.metadata().row_group(0);
    assert!(group.columns().iter().all(|column| matches!(column.compression(), Compression::ZSTD(_))));
    let ip = group.columns().iter().find(|column| column.column_path().string() == "ip").unwrap();
    let Some(Statistics::Int32(ip)) = ip.statistics() else { panic!("no statistics of ip") };
    // Parquet has signed storage only; the order is that of the logical, unsigned type.
    assert_eq!((ip.min_opt(), ip.max_opt(), ip.null_count_opt()), (Some(&0), Some(&-1), Some(0)));
}

trait CloneNamed {
    fn clone_named(self) -> DataType;
}

impl CloneNamed for DataType {
    /// The same list with the element's name of the Parquet specification.
    fn clone_named(self) -> DataType {
        let DataType::List(field) = self else { panic!("no list") };
        DataType::List(Arc::new(field.as_ref().clone().with_name("element")))
    }
}

#[test]
fn rows_keep_their_order_over_batches_and_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), Limits::default());
    let count = 200_000u32;
    for ip in 0..count {
        writer.write(&Everything { ip, ..Everything::default() }, NOW).unwrap();
    }
    writer.close().unwrap();
    let path = folder.path().join("run-00000.parquet");
    let batch = read(&path);
    let ips = batch.column_by_name("ip").unwrap().as_primitive::<arrow::datatypes::UInt32Type>();
    assert!(ips.values().iter().copied().eq(0..count));
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
}

#[test]
fn a_batch_is_bounded_in_bytes_as_well_as_in_rows() {
    let mut columns = Columns::new(&Everything::TABLE);
    let row = Everything { bytes: vec![0; 1 << 20], ..Everything::default() };
    let pushed = (1..100).find(|_| {
        columns.push(&row).unwrap();
        columns.full()
    });
    assert_eq!(pushed, Some(8));
    assert_eq!(columns.take().unwrap().num_rows(), 8);
    assert!(!columns.full());
}

#[test]
fn a_part_is_invisible_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), Limits::default());
    assert!(files(folder.path()).is_empty(), "no row, no part");
    writer.close().unwrap();
    assert!(files(folder.path()).is_empty(), "no row, no part");
    for (number, row) in rows().iter().enumerate() {
        writer.write(row, NOW).unwrap();
        assert_eq!(files(folder.path())[number], format!("run-{number:05}.parquet.tmp"));
        assert_eq!(writer.rows(), number as u64, "rows of open parts are not durable");
        writer.close().unwrap();
        assert_eq!(files(folder.path())[number], format!("run-{number:05}.parquet"));
    }
    writer.write(&rows()[0], NOW).unwrap();
    drop(writer);
    let left = ["run-00000.parquet", "run-00001.parquet", "run-00002.parquet", "run-00003.parquet.tmp"];
    assert_eq!(files(folder.path()), left, "what a killed run leaves");
    assert!(left[..3].iter().all(|name| read(&folder.path().join(name)).num_rows() == 1));
}

#[test]
fn a_part_is_due_after_its_rows_or_its_age() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), Limits { rows: 2, age: Duration::from_secs(60) });
    let row = Everything::default();
    let after = |micros: i64| UtcMicros(NOW.0 + micros);
    assert!(!writer.due(after(i64::from(u32::MAX))), "nothing open");
    writer.write(&row, NOW).unwrap();
    assert!(!writer.due(after(59_999_999)) && !writer.due(after(-1)));
    assert!(writer.due(after(60_000_000)));
    writer.write(&row, NOW).unwrap();
    assert!(writer.due(NOW));
    writer.close().unwrap();
    assert!(!writer.due(after(60_000_000)));
}

#[test]
fn a_full_disk_is_one_line_with_path_cause_and_next_step() {
    let mut columns = Columns::new(&Everything::TABLE);
    let file = File::options().write(true).open("/dev/full").unwrap();
    let writer = ArrowWriter::try_new(file, columns.schema(), Some(properties(&Everything::TABLE))).unwrap();
    let mut part = Part { path: "census/everything/run-00000.parquet".into(), opened: NOW, rows: 0, writer };
    columns.push(&rows()[0]).unwrap();
    let error = part.flush(&mut columns).and_then(|()| part.close()).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot write census/everything/run-00000.parquet: No space left on device (os error 28). \
         Next step: free space there, or name a folder on another disk"
    );
}

#[test]
fn an_older_part_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run-00000.parquet.tmp"), "older").unwrap();
    let error = writer(folder.path(), Limits::default()).write(&rows()[0], NOW).unwrap_err().to_string();
    assert!(error.contains("run-00000.parquet.tmp: File exists"), "{error}");
}

#[test]
fn the_schema_part_has_columns_and_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    write_schema_part(folder.path(), "run", &Everything::TABLE).unwrap();
    assert_eq!(files(folder.path()), ["run-schema.parquet"]);
    let batch = read(&folder.path().join("run-schema.parquet"));
    assert_eq!((batch.num_rows(), batch.num_columns()), (0, Everything::TABLE.columns.len()));
}
