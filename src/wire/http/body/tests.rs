//! Bodies of each framing, cut at every byte; chunks that break their grammar.
//!
//! Not here: how a head says which framing it is (`../response_head.rs`).

use super::*;

/// What a body says, whether it is whole, and whether an end of the stream completes it.
fn read(framing: BodyFraming, input: &[u8], at_most: usize) -> Result<(Vec<u8>, bool, bool), String> {
    let read = |pieces: &[&[u8]]| {
        let (mut reader, mut out, mut is_whole) = (BodyReader::new(framing), Vec::new(), false);
        for piece in pieces {
            is_whole = reader.take(piece, &mut out, at_most)?;
        }
        Ok((out, is_whole, reader.end()))
    };
    let whole = read(&[input]);
    for cut in 0..=input.len() {
        let (start, end) = input.split_at(cut);
        assert_eq!(read(&[start, end]), whole, "{} cut at {cut}", input.escape_ascii());
    }
    let drip: Vec<_> = input.chunks(1).collect();
    assert_eq!(read(&drip), whole, "{} byte by byte", input.escape_ascii());
    whole
}

const ROOM: usize = 100;

#[test]
fn a_body_ends_as_its_framing_says() {
    type Case = (BodyFraming, &'static [u8], &'static [u8], bool, bool);
    let table: [Case; 9] = [
        (BodyFraming::None, b"hello", b"", true, true),
        (BodyFraming::Length(0), b"hello", b"", true, true),
        (BodyFraming::Length(5), b"hello world", b"hello", true, true),
        (BodyFraming::Length(5), b"hello", b"hello", true, true),
        (BodyFraming::Length(6), b"hello", b"hello", false, false),
        (BodyFraming::Length(usize::MAX), b"hello", b"hello", false, false),
        (BodyFraming::UntilEnd, b"hello\r\n\0", b"hello\r\n\0", false, true),
        (BodyFraming::Chunked, b"5\r\nhello\r\n0\r\n\r\n", b"hello", true, true),
        (BodyFraming::Chunked, b"5\r\nhello\r\n", b"hello", false, false),
    ];
    for (framing, input, expected, is_whole, end) in table {
        assert_eq!(read(framing, input, ROOM), Ok((expected.to_vec(), is_whole, end)), "{framing:?}");
    }
    assert_eq!(BodyReader::new(BodyFraming::None).take(b"", &mut Vec::new(), ROOM), Ok(true));
    assert!(BodyReader::new(BodyFraming::UntilEnd).end() && !BodyReader::new(BodyFraming::Chunked).end());
}

#[test]
fn chunks_are_joined_and_what_is_between_them_is_not_part_of_them() {
    let table: [(&[u8], &[u8]); 8] = [
        (b"0\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc"),
        (b"0000000000000000000000000000000000001\r\na\r\n0\r\n", b"a"),
        (b"A\r\n0123456789\r\nb\r\n0123456789x\r\n0\r\n", b"01234567890123456789x"),
        (b"2;a=b;c=\"d\"\r\n\r\n\r\n1 \t;\xe4\r\n0\r\n0;e\r\n", b"\r\n0"),
        (b"1\r\na\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1", b"a"),
        (b"1\r\na\r\n0\r\n\0\n\n", b"a"),
    ];
    for (input, expected) in table {
        assert_eq!(
            read(BodyFraming::Chunked, input, ROOM),
            Ok((expected.to_vec(), true, true)),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn chunks_that_break_their_grammar_are_refused_in_words() {
    let table: [(&[u8], &str); 14] = [
        (b"\r\n", "a chunk without a size"),
        (b"x\r\n", "a chunk without a size"),
        (b" 1\r\na\r\n", "a chunk without a size"),
        (b"-1\r\na\r\n", "a chunk without a size"),
        (b"+1\r\na\r\n", "a chunk without a size"),
        (b"0x1\r\na\r\n", "a chunk without a size"),
        (b";a\r\n", "a chunk without a size"),
        (b"1\na\r\n", "a chunk without a size"),
        (b"1;a\na\r\n", "a line feed without a carriage return"),
        (b"1\ra", "a carriage return without a line feed"),
        (b"1\r\nab\r\n", "a chunk that is longer than its size"),
        (b"1\r\na\n", "a chunk that is longer than its size"),
        (b"1\r\na\r\r", "a chunk that is longer than its size"),
        (b"fffffffffffffffff\r\n", "a chunk whose size is too large"),
    ];
    for (input, expected) in table {
        let line = read(BodyFraming::Chunked, input, ROOM).unwrap_err();
        assert!(line.contains(expected), "{}: {line}", input.escape_ascii());
    }
    // The largest that there is, and one more.
    let size = |size: u128| format!("{size:x}\r\nhello");
    assert_eq!(
        read(BodyFraming::Chunked, size(usize::MAX as u128).as_bytes(), ROOM),
        Ok((b"hello".to_vec(), false, false))
    );
    assert!(read(BodyFraming::Chunked, size(usize::MAX as u128 + 1).as_bytes(), ROOM).is_err());
}

#[test]
fn the_line_before_a_chunk_is_bounded_to_the_byte() {
    for (bytes, is_taken) in [(CHUNK_LINE_BYTES, true), (CHUNK_LINE_BYTES + 1, false)] {
        for line in ["0".repeat(bytes - 1) + "1", format!("1;{}", "x".repeat(bytes - 2))] {
            let input = format!("{line}\r\na\r\n0\r\n");
            let (mut reader, mut out) = (BodyReader::new(BodyFraming::Chunked), Vec::new());
            let taken = reader.take(input.as_bytes(), &mut out, ROOM);
            assert_eq!(taken.is_ok(), is_taken, "{bytes}: {taken:?}");
            assert_eq!(out, if is_taken { &b"a"[..] } else { b"" });
            let endless = BodyReader::new(BodyFraming::Chunked).take(&line.as_bytes()[..bytes], &mut out, ROOM);
            assert_eq!(endless.is_ok(), is_taken);
        }
    }
}

#[test]
fn what_is_kept_is_bounded_to_the_byte_and_the_end_is_still_found() {
    for (framing, input) in [
        (BodyFraming::Length(7), &b"abcdefg"[..]),
        (BodyFraming::Chunked, b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n"),
        (BodyFraming::UntilEnd, b"abcdefg"),
    ] {
        for at_most in [0, 1, 3, 4, 6, 7, 8] {
            let (out, is_whole, end) = read(framing, input, at_most).unwrap();
            assert_eq!(out, b"abcdefg"[..at_most.min(7)], "{framing:?} to {at_most}");
            assert_eq!((is_whole, end), (framing != BodyFraming::UntilEnd, true));
        }
    }
    let mut out = vec![0; ROOM + 1];
    assert_eq!(BodyReader::new(BodyFraming::Length(1)).take(b"x", &mut out, ROOM), Ok(true));
    assert_eq!(out.len(), ROOM + 1, "what is there already counts");
}
