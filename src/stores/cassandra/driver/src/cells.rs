//! Rows of cells that are encoded already, as the CQL binary protocol has them.

use crate::status::{Failure, Status};
use scylla::deserialize::row::{ColumnIterator, DeserializeRow};
use scylla::deserialize::{DeserializationError, TypeCheckError};
use scylla::frame::response::result::ColumnSpec;
use scylla::serialize::SerializationError;
use scylla::serialize::batch::{BatchValues, BatchValuesIterator};
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;

const NULL: i32 = -1;
const UNSET: i32 = -2;

/// A cell's length field and its bytes, taken off the front of `cells`; `None` when there is no whole valid cell.
fn take<'a>(cells: &mut &'a [u8]) -> Option<(i32, &'a [u8])> {
    let (length, rest) = cells.split_first_chunk::<4>()?;
    let length = i32::from_be_bytes(*length);
    let size = match length {
        NULL | UNSET => 0,
        _ => usize::try_from(length).ok()?,
    };
    let (value, rest) = rest.split_at_checked(size)?;
    *cells = rest;
    Some((length, value))
}

/// Whole rows, one after the other.
pub struct Rows {
    cells: Vec<u8>,
    ends: Vec<usize>, // of each row, in `cells`
}

impl Rows {
    /// `count` rows of `columns` cells each, and nothing more.
    pub fn new(cells: &[u8], count: usize, columns: usize) -> Result<Rows, Failure> {
        let mut rest = cells;
        let mut ends = Vec::with_capacity(count);
        for row in 0..count {
            for column in 0..columns {
                take(&mut rest).ok_or_else(|| malformed(format!("cell {column} of row {row} is not whole")))?;
            }
            ends.push(cells.len() - rest.len());
        }
        if count == 0 {
            return Err(malformed("there are no rows".to_string()));
        }
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow the last row", rest.len())));
        }
        Ok(Rows { cells: cells.to_vec(), ends })
    }

    pub fn count(&self) -> usize {
        self.ends.len()
    }

    fn row(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let begin = index.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        Some(&self.cells[begin..end])
    }
}

fn malformed(why: String) -> Failure {
    Failure::new(Status::Invalid, format!("malformed cells: {why}"))
}

fn write(mut cells: &[u8], writer: &mut RowWriter) -> Result<(), SerializationError> {
    while let Some((length, value)) = take(&mut cells) {
        let cell = writer.make_cell_writer();
        match length {
            NULL => cell.set_null(),
            UNSET => cell.set_unset(),
            _ => cell.set_value(value).map_err(SerializationError::new)?,
        };
    }
    Ok(())
}

/// As the values of one statement, `Rows` are their first row.
impl SerializeRow for Rows {
    fn serialize(&self, _: &RowSerializationContext<'_>, writer: &mut RowWriter) -> Result<(), SerializationError> {
        self.row(0).map_or(Ok(()), |cells| write(cells, writer))
    }

    fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

pub struct RowsIterator<'r> {
    rows: &'r Rows,
    next: usize,
}

impl<'r> RowsIterator<'r> {
    fn advance(&mut self) -> Option<&'r [u8]> {
        let cells = self.rows.row(self.next)?;
        self.next += 1;
        Some(cells)
    }
}

impl<'r> BatchValuesIterator<'r> for RowsIterator<'r> {
    fn serialize_next(
        &mut self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter,
    ) -> Option<Result<(), SerializationError>> {
        self.advance().map(|cells| write(cells, writer))
    }

    fn is_empty_next(&mut self) -> Option<bool> {
        self.advance().map(<[u8]>::is_empty)
    }

    fn skip_next(&mut self) -> Option<()> {
        self.advance().map(|_| ())
    }

    fn count(self) -> usize {
        self.rows.count() - self.next
    }
}

impl BatchValues for Rows {
    type BatchValuesIter<'r> = RowsIterator<'r>;

    fn batch_values_iter(&self) -> RowsIterator<'_> {
        RowsIterator { rows: self, next: 0 }
    }
}

/// A row of an answer, of any types.
pub struct RawRow<'frame, 'metadata>(ColumnIterator<'frame, 'metadata>);

impl<'frame, 'metadata> DeserializeRow<'frame, 'metadata> for RawRow<'frame, 'metadata> {
    fn type_check(_: &[ColumnSpec]) -> Result<(), TypeCheckError> {
        Ok(())
    }

    fn deserialize(row: ColumnIterator<'frame, 'metadata>) -> Result<Self, DeserializationError> {
        Ok(RawRow(row))
    }
}

impl RawRow<'_, '_> {
    /// Appends the row's cells to `cells`.
    pub fn append_to(self, cells: &mut Vec<u8>) -> Result<(), DeserializationError> {
        for column in self.0 {
            match column?.slice {
                None => cells.extend_from_slice(&NULL.to_be_bytes()),
                Some(value) => {
                    let value = value.as_slice();
                    // It came with a length field of four bytes.
                    cells.extend_from_slice(&(value.len() as u32).to_be_bytes());
                    cells.extend_from_slice(value);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(value: &[u8]) -> Vec<u8> {
        [&(value.len() as u32).to_be_bytes(), value].concat()
    }

    fn null() -> Vec<u8> {
        NULL.to_be_bytes().to_vec()
    }

    fn unset() -> Vec<u8> {
        UNSET.to_be_bytes().to_vec()
    }

    fn written(rows: &Rows) -> Vec<Vec<u8>> {
        let context = RowSerializationContext::empty();
        let mut iterator = rows.batch_values_iter();
        std::iter::from_fn(|| {
            let mut bytes = Vec::new();
            let written = iterator.serialize_next(&context, &mut RowWriter::new(&mut bytes))?;
            written.expect("cells");
            Some(bytes)
        })
        .collect()
    }

    #[test]
    fn rows_are_written_as_they_came() {
        let first = [cell(b"one"), null(), cell(b"")].concat();
        let second = [unset(), cell(b"two"), cell(&[0; 300])].concat();
        let rows = Rows::new(&[first.clone(), second.clone()].concat(), 2, 3).expect("rows");
        assert_eq!(written(&rows), [first, second]);
        assert_eq!(rows.batch_values_iter().count(), 2);
    }

    #[test]
    fn cells_are_counted() {
        let cells = [cell(b"one"), null(), unset()].concat();
        let rows = Rows::new(&cells, 1, 3).expect("rows");
        let mut bytes = Vec::new();
        let mut writer = RowWriter::new(&mut bytes);
        rows.serialize(&RowSerializationContext::empty(), &mut writer).expect("cells");
        assert_eq!(writer.value_count(), 3);
        assert_eq!(bytes, cells);
    }

    #[test]
    fn rows_without_markers_have_no_cells() {
        let rows = Rows::new(&[], 1, 0).expect("rows");
        assert!(SerializeRow::is_empty(&rows));
        assert_eq!(written(&rows), [Vec::<u8>::new()]);
    }

    #[test]
    fn what_is_no_whole_row_is_refused() {
        let whole = [cell(b"one"), cell(b"two")].concat();
        let why = |cells: &[u8], rows, columns| Rows::new(cells, rows, columns).err().map(|failure| failure.message);
        assert_eq!(why(&whole, 1, 2), None);
        assert_eq!(why(&whole[..13], 1, 2).as_deref(), Some("malformed cells: cell 1 of row 0 is not whole"));
        assert_eq!(why(&whole[..9], 1, 2).as_deref(), Some("malformed cells: cell 1 of row 0 is not whole"));
        assert_eq!(why(&whole, 2, 2).as_deref(), Some("malformed cells: cell 0 of row 1 is not whole"));
        assert_eq!(why(&whole, 1, 1).as_deref(), Some("malformed cells: 7 bytes follow the last row"));
        assert_eq!(why(&[], 0, 2).as_deref(), Some("malformed cells: there are no rows"));
        let length = (-3_i32).to_be_bytes();
        assert_eq!(why(&length, 1, 1).as_deref(), Some("malformed cells: cell 0 of row 0 is not whole"));
        let length = i32::MAX.to_be_bytes();
        assert_eq!(why(&length, 1, 1).as_deref(), Some("malformed cells: cell 0 of row 0 is not whole"));
    }
}
