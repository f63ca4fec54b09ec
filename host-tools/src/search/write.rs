//! The writer of an index: one block of vectors is in memory at a time.

use super::{
    BLOCK, LONGEST, QUERY,
    index::{About, DIGEST, digest, text_digest},
    text::Texts,
    vectors::Vectors,
};
use crate::files::{self, FileError, MAX_HEADER, Output, check_space};
use std::io;

/// Writes an index of vectors in the space of this name, with their texts if there are texts. `on_block` is called after
/// each block of 4,096 vectors. The vectors are read three times: for the scale, for the digests and for the file.
///
/// # Errors
/// `Field` for a bad name of the space; `Model` for a text that is missing or superfluous, for vectors that are all zero,
/// or for a number that is not finite; `Space` and the errors of the output.
pub fn write_index(
    output: Output,
    space: &str,
    vectors: &Vectors,
    texts: Option<&Texts>,
    on_block: &dyn Fn(),
) -> files::Result<About> {
    check_space(space)?;
    if let Some(texts) = texts.map(Texts::all).filter(|texts| texts.len() as u64 != vectors.count()) {
        return Err(FileError::model(format!("{} texts and {} vectors", texts.len(), vectors.count())));
    }
    let scale = find_scale(vectors)?;
    let about = About { space: space.into(), width: vectors.width(), vectors: vectors.count(), scale };
    let ends = texts.map(|texts| ends(texts.all()));
    let bytes = ends.as_ref().map(|ends| ends.last().copied().unwrap_or(0) as usize);

    let mut digests: Vec<[u8; DIGEST]> = Vec::with_capacity(about.blocks());
    let mut block = Vec::new();
    vectors.blocks(|rows| {
        fill(rows, &about, &mut block);
        digests.push(blake3::hash(bytemuck::cast_slice(&block)).into());
        Ok(())
    })?;
    let text_digests = texts.zip(ends.as_deref()).map(|(texts, ends)| text_digests(texts.all(), ends));
    let tables: Vec<&[[u8; DIGEST]]> =
        [Some(&digests), text_digests.as_ref()].into_iter().flatten().map(|t| &t[..]).collect();
    let head = head(&about, bytes, &tables)?;
    let size: usize = sizes(&about, bytes).iter().map(|(_, _, _, size)| size).sum();
    output.expect(8 + (head.len() + size) as u64)?;

    output.write(|file| {
        file.write_all(&(head.len() as u64).to_le_bytes())?;
        file.write_all(&head)?;
        tables.iter().try_for_each(|table| file.write_all(table.as_flattened()))?;
        let mut rest = digests.iter();
        let written = vectors.blocks(|rows| {
            fill(rows, &about, &mut block);
            let bytes: &[u8] = bytemuck::cast_slice(&block);
            if rest.next() != Some(&blake3::hash(bytes).into()) {
                return Err(FileError::Changed); // the file of the vectors, between two readings
            }
            file.write_all(bytes)?;
            on_block();
            Ok(())
        });
        written.map_err(|fault| match fault {
            FileError::Io(error) => error,
            other => io::Error::other(other.to_string()),
        })?;
        if let (Some(texts), Some(ends)) = (texts, &ends) {
            ends.iter().try_for_each(|end| file.write_all(&end.to_le_bytes()))?;
            texts.all().iter().try_for_each(|text| file.write_all(text.as_bytes()))?;
        }
        Ok(())
    })?;
    Ok(about)
}

/// The largest error of a score that rounding to integers causes, for queries of length 1: each number is off by at most
/// half an integer.
pub fn rounding(about: &About) -> f64 {
    let longest = LONGEST / about.scale;
    (about.width as f64).sqrt() / 2.0 * (1.0 / about.scale + longest / QUERY)
}

/// The largest factor at which every number has 16 bits with its sign, and every vector is short enough.
fn find_scale(vectors: &Vectors) -> files::Result<f64> {
    let (mut largest, mut longest) = (0f64, 0f64);
    let width = vectors.width();
    vectors.blocks(|rows| {
        for row in rows.chunks_exact(width) {
            largest = row.iter().fold(largest, |most, x| most.max(x.abs() as f64));
            longest = longest.max(row.iter().map(|x| *x as f64 * *x as f64).sum::<f64>().sqrt());
        }
        Ok(())
    })?;
    let rounded = LONGEST - (width as f64).sqrt(); // rounding makes a vector longer by half of the root at most
    let scale = (i16::MAX as f64 / largest).min(rounded / longest);
    if largest == 0.0 {
        return Err(FileError::model(format!("{} vectors of zeros have no scores", vectors.count())));
    }
    if !scale.is_normal() {
        return Err(FileError::model(format!(
            "the largest number is {largest:e}: its scale {scale:e} is out of range"
        )));
    }
    Ok(scale)
}

/// Integers of some vectors, feature by feature.
fn fill(rows: &[f32], about: &About, block: &mut Vec<i16>) {
    block.clear();
    block.resize(about.width * BLOCK, 0);
    for (i, row) in rows.chunks_exact(about.width).enumerate() {
        for (j, x) in row.iter().enumerate() {
            block[j * BLOCK + i] = (*x as f64 * about.scale).round() as i16;
        }
    }
}

/// Where each text ends.
fn ends(texts: &[String]) -> Vec<u64> {
    let ends = texts.iter().scan(0, |end, text| {
        *end += text.len() as u64;
        Some(*end)
    });
    ends.collect()
}

fn text_digests(texts: &[String], ends: &[u64]) -> Vec<[u8; DIGEST]> {
    let blocks = texts.chunks(BLOCK).zip(ends.chunks(BLOCK));
    let of = |(texts, ends): (&[String], &[u64])| {
        let ends: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        text_digest(&ends, texts.concat().as_bytes())
    };
    blocks.map(of).collect()
}

/// Name, type, shape and bytes of every tensor.
fn sizes(about: &About, texts: Option<usize>) -> Vec<(&'static str, safetensors::Dtype, Vec<usize>, usize)> {
    let tensors = about.tensors(texts).into_iter();
    let size = |dtype: safetensors::Dtype, shape: &[usize]| shape.iter().product::<usize>() * dtype.bitsize() / 8;
    tensors.map(|(name, dtype, shape)| (name, dtype, shape.clone(), size(dtype, &shape))).collect()
}

/// The JSON of the header, padded so that tensors are aligned.
fn head(about: &About, texts: Option<usize>, tables: &[&[[u8; DIGEST]]]) -> files::Result<Vec<u8>> {
    let mut fields = about.fields();
    let digest = digest(&fields, tables.iter().copied()).to_hex().to_string();
    fields.insert("digest".into(), digest);
    let mut json = serde_json::Map::new();
    json.insert("__metadata__".into(), serde_json::json!(fields));
    let mut at = 0;
    for (name, dtype, shape, size) in sizes(about, texts) {
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]});
        json.insert(name.into(), entry);
        at += size;
    }
    let mut head = serde_json::Value::Object(json).to_string().into_bytes();
    head.resize(head.len().next_multiple_of(8), b' ');
    if head.len() as u64 > MAX_HEADER {
        return Err(FileError::HeaderSize { claimed: head.len() as u64, limit: MAX_HEADER });
    }
    Ok(head)
}
