//! libzstd, liblzma and libdeflate behind the core's trait.

use super::budget::Share;
use depmod_core::Limits;
use depmod_core::parts::decompress::{
    Compression, DecodeError, Decoder, Feed, Inflater, PureDecoder, grow, xz_decoded_size,
};
use libdeflater::Decompressor;
use liblzma::stream::{Action, CONCATENATED, Error, Status, Stream};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

/// Compression level: a whole kernel in seconds, and little larger than at the highest level.
const ZSTD_LEVEL: i32 = 12;

/// One frame from one thread, so that it depends on the input alone.
pub(super) fn zstd(plain: &[u8]) -> Option<Vec<u8>> {
    let mut context = zstd_safe::CCtx::try_create()?;
    context.set_parameter(zstd_safe::CParameter::CompressionLevel(ZSTD_LEVEL)).ok()?;
    context.set_parameter(zstd_safe::CParameter::ChecksumFlag(true)).ok()?;
    let mut out = Vec::new();
    out.try_reserve_exact(zstd_safe::compress_bound(plain.len())).ok()?;
    context.compress2(&mut out, plain).ok()?;
    Some(out)
}

/// Decodes with the C libraries and reuses their working memory. One per thread.
#[derive(Default)]
pub struct NativeDecoder {
    gzip: Option<Decompressor>,
    zstd: Option<DCtx<'static>>,
    /// For gzip files that may have several members: see [`Self::gzip`].
    pure: PureDecoder,
    /// The memory of the current module.
    share: Share,
}

impl NativeDecoder {
    /// A decoder that has not yet allocated memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// libdeflate decodes one member into a buffer of known size, and does not report the consumed input. So
    /// it gets only files that certainly have one member: the length at the end matches, and there is no
    /// second header. All other files, including broken ones, are rare; the core's decoder handles them and
    /// has exact messages.
    fn gzip(&mut self, input: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        if self.single_member(input, limits, out).is_some() {
            return Ok(());
        }
        self.pure.decode(Compression::Gzip, input, limits, out)
    }

    fn single_member(&mut self, input: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Option<()> {
        /// The maximum ratio of a deflate stream.
        const MAX_RATIO: usize = 1032;
        const HEADER: &[u8] = b"\x1f\x8b\x08";

        let size = u32::from_le_bytes(*input.last_chunk()?);
        let bytes = usize::try_from(size).ok()?;
        if u64::from(size) > limits.module_size || bytes / MAX_RATIO > input.len() {
            return None;
        }
        if memchr::memmem::find(input.get(1..)?, HEADER).is_some() {
            return None;
        }
        out.try_reserve_exact(bytes.saturating_sub(out.len())).ok()?;
        out.resize(bytes, 0);
        let decoded = self.gzip.get_or_insert_default().gzip_decompress(input, out).ok()?;
        (decoded == bytes).then_some(())
    }

    fn context(&mut self) -> Result<&mut DCtx<'static>, DecodeError> {
        if self.zstd.is_none() {
            self.zstd = DCtx::try_create();
        }
        self.zstd.as_mut().ok_or_else(|| DecodeError::no_memory(Compression::Zstd))
    }

    fn zstd_pieces(
        &mut self,
        mut input: Feed<'_>,
        limits: &Limits,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), DecodeError> {
        let context = self.context()?;
        let mut out = piece(Compression::Zstd)?;
        let mut frames = 0;
        loop {
            let rest = input.at_least(MAGIC.len());
            let frame = rest.starts_with(MAGIC);
            if !frame && !is_skippable(rest) {
                // Data after the last frame is ignored.
                return if frames > 0 { Ok(()) } else { Err(zstd_text("Unknown frame descriptor")) };
            }
            frames += usize::from(frame);
            limit_window(context, limits)?;
            loop {
                let mut from = InBuffer::around(input.some());
                out.clear();
                let left = context
                    .decompress_stream(&mut OutBuffer::around(&mut out), &mut from)
                    .map_err(|code| zstd_stream_error(code, limits))?;
                let read = from.pos;
                input.consume(read);
                if !each(&out) {
                    return Ok(());
                }
                if left == 0 {
                    break;
                }
                if read == 0 && out.is_empty() && input.some().is_empty() {
                    return Err(zstd_text("Src size is incorrect"));
                }
            }
        }
    }

    fn zstd(&mut self, input: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let context = self.context()?;
        let mut rest = input;
        let mut frames = 0;
        loop {
            let frame = rest.starts_with(Compression::Zstd.magic());
            if !frame && !is_skippable(rest) {
                // Data after the last frame is ignored.
                return if frames > 0 { Ok(()) } else { Err(zstd_text("Unknown frame descriptor")) };
            }
            let size = zstd_safe::find_frame_compressed_size(rest).map_err(zstd_error)?;
            let (bytes, after) =
                rest.split_at_checked(size).ok_or_else(|| zstd_text("Src size is incorrect"))?;
            if frame {
                zstd_frame(context, bytes, limits, out)?;
                frames += 1;
            }
            rest = after;
        }
    }
}

impl core::fmt::Debug for NativeDecoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NativeDecoder").finish_non_exhaustive()
    }
}

impl Decoder for NativeDecoder {
    fn decode(
        &mut self,
        format: Compression,
        input: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        match format {
            Compression::Gzip => self.gzip(input, limits, out),
            Compression::Xz => {
                out.clear();
                xz(input, limits, out)
            }
            Compression::Zstd => {
                out.clear();
                self.zstd(input, limits, out)
            }
        }
    }

    fn decodes_in_pieces(&self) -> bool {
        true
    }

    fn pieces(
        &mut self,
        format: Compression,
        input: Feed<'_>,
        limits: &Limits,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), DecodeError> {
        match format {
            Compression::Gzip => Inflater::default().pieces(input, each),
            Compression::Xz => xz_pieces(input, limits, each),
            Compression::Zstd => {
                let pieces = self.zstd_pieces(input, limits, each);
                // Its window may be large.
                self.zstd = None;
                pieces
            }
        }
    }

    fn reserve(&mut self, bytes: u64) {
        self.share.set(bytes);
    }
}

/// The first bytes of a zstd frame.
const MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

/// Room for a piece of decoded bytes.
fn piece(format: Compression) -> Result<Vec<u8>, DecodeError> {
    const SIZE: usize = 128 << 10;

    let mut out = Vec::new();
    out.try_reserve_exact(SIZE).map_err(|_| DecodeError::no_memory(format))?;
    Ok(out)
}

/// Begins a frame.
fn limit_window(context: &mut DCtx<'_>, limits: &Limits) -> Result<(), DecodeError> {
    context.reset(ResetDirective::SessionOnly).map_err(zstd_error)?;
    let window = limits.decoder_memory.max(1 << 10).ilog2().min(31);
    context.set_parameter(DParameter::WindowLogMax(window)).map_err(zstd_error)?;
    Ok(())
}

fn zstd_stream_error(code: zstd_safe::ErrorCode, limits: &Limits) -> DecodeError {
    match zstd_safe::get_error_name(code) {
        "Frame requires too much memory for decoding" => DecodeError::memory_limit(Compression::Zstd, limits),
        name => zstd_text(name),
    }
}

fn is_skippable(input: &[u8]) -> bool {
    matches!(input, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

fn zstd_frame(
    context: &mut DCtx<'_>,
    frame: &[u8],
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    const FORMAT: Compression = Compression::Zstd;

    let claim = zstd_safe::get_frame_content_size(frame).ok().flatten();
    grow(FORMAT, frame, claim.unwrap_or(0), limits, out)?;
    if out.is_empty() && claim.is_some_and(|size| size <= out.capacity() as u64) {
        // The usual case, one frame of known size: without window and copy.
        context.decompress(out, frame).map_err(zstd_error)?;
        return within(FORMAT, limits, out);
    }
    limit_window(context, limits)?;
    let mut input = InBuffer::around(frame);
    loop {
        let before = out.len();
        let left = context
            .decompress_stream(&mut OutBuffer::around_pos(out, before), &mut input)
            .map_err(|code| zstd_stream_error(code, limits))?;
        if left == 0 {
            return within(FORMAT, limits, out);
        }
        if out.len() == out.capacity() {
            grow(FORMAT, frame, 0, limits, out)?;
        } else if input.pos == frame.len() && out.len() == before {
            return Err(zstd_text("Src size is incorrect"));
        }
    }
}

fn within(format: Compression, limits: &Limits, out: &[u8]) -> Result<(), DecodeError> {
    if out.len() as u64 > limits.module_size { Err(DecodeError::too_large(format, limits)) } else { Ok(()) }
}

fn zstd_error(code: zstd_safe::ErrorCode) -> DecodeError {
    zstd_text(zstd_safe::get_error_name(code))
}

fn zstd_text(text: &'static str) -> DecodeError {
    DecodeError::new(Compression::Zstd, text)
}

fn xz_text(text: &'static str) -> DecodeError {
    DecodeError::new(Compression::Xz, text)
}

fn xz_error(cause: Error, limits: &Limits) -> DecodeError {
    match cause {
        Error::Data => xz_text("File is corrupt"),
        Error::Format => xz_text("File format not recognized"),
        Error::Options => xz_text("Unsupported compression options"),
        Error::Mem => DecodeError::no_memory(Compression::Xz),
        Error::MemLimit => DecodeError::memory_limit(Compression::Xz, limits),
        _ => xz_text("Internal error (bug)"),
    }
}

fn xz_pieces(
    mut input: Feed<'_>,
    limits: &Limits,
    each: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), DecodeError> {
    let explain = |cause| xz_error(cause, limits);
    let mut stream = Stream::new_stream_decoder(limits.decoder_memory, CONCATENATED).map_err(explain)?;
    let mut out = piece(Compression::Xz)?;
    loop {
        input.some();
        let action = if input.has_ended() { Action::Finish } else { Action::Run };
        let before = stream.total_in();
        out.clear();
        let status = stream.process_vec(input.some(), &mut out, action).map_err(explain)?;
        let read = usize::try_from(stream.total_in() - before).unwrap_or(usize::MAX);
        input.consume(read);
        if !each(&out) {
            return Ok(());
        }
        match status {
            Status::StreamEnd => return Ok(()),
            Status::MemNeeded if read == 0 && out.is_empty() && input.has_ended() => {
                return Err(xz_text("Unexpected end of input"));
            }
            _ => {}
        }
    }
}

fn xz(input: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    const FORMAT: Compression = Compression::Xz;
    let explain = |cause| xz_error(cause, limits);
    let mut stream = Stream::new_stream_decoder(limits.decoder_memory, CONCATENATED).map_err(explain)?;
    // One byte more than claimed, so that the decoder never stops for lack of space.
    let claim = xz_decoded_size(input).unwrap_or(0).saturating_add(1);
    grow(FORMAT, input, claim, limits, out)?;
    loop {
        let read = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let rest = input.get(read..).unwrap_or_default();
        match stream.process_vec(rest, out, Action::Finish).map_err(explain)? {
            Status::StreamEnd => return within(FORMAT, limits, out),
            _ if out.len() == out.capacity() => grow(FORMAT, input, 0, limits, out)?,
            Status::MemNeeded => return Err(xz_text("Unexpected end of input")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMATS: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

    fn limits() -> Limits {
        Limits::DEFAULT.module_size(1 << 20).decoder_memory(96 << 20)
    }

    fn native(format: Compression, input: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        NativeDecoder::new().decode(format, input, &limits(), &mut out).map(|()| out)
    }

    /// Decodes in pieces, with both decoders.
    fn pieces(format: Compression, input: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let native = pieces_with(&mut NativeDecoder::new(), format, input);
        let pure = pieces_with(&mut PureDecoder::new(), format, input);
        assert_eq!(native.is_ok(), pure.is_ok(), "{native:?} {pure:?}");
        assert!(native.is_err() || native == pure);
        native
    }

    fn pieces_with(
        decoder: &mut dyn Decoder,
        format: Compression,
        input: &[u8],
    ) -> Result<Vec<u8>, DecodeError> {
        let (mut rest, mut out) = (input, Vec::new());
        let mut read = |into: &mut [u8]| {
            let (now, later) = rest.split_at(into.len().min(rest.len()));
            into[..now.len()].copy_from_slice(now);
            rest = later;
            now.len()
        };
        let mut each = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            out.len() <= 1 << 20
        };
        let feed = Feed::new(&mut read).unwrap();
        decoder.pieces(format, feed, &limits(), &mut each).map(|()| out)
    }

    fn pure(format: Compression, input: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        PureDecoder::new().decode(format, input, &limits(), &mut out).map(|()| out)
    }

    fn encode(format: Compression, data: &[u8]) -> Vec<u8> {
        match format {
            Compression::Gzip => {
                let level = libdeflater::CompressionLvl::new(6).unwrap();
                let mut encoder = libdeflater::Compressor::new(level);
                let mut file = vec![0; encoder.gzip_compress_bound(data.len())];
                let size = encoder.gzip_compress(data, &mut file).unwrap();
                file.truncate(size);
                file
            }
            Compression::Xz => {
                let mut encoder = Stream::new_easy_encoder(1, liblzma::stream::Check::Crc32).unwrap();
                let mut file = Vec::with_capacity(data.len() + 1024);
                encoder.process_vec(data, &mut file, Action::Finish).unwrap();
                file
            }
            Compression::Zstd => {
                let mut file = Vec::with_capacity(zstd_safe::compress_bound(data.len()));
                let mut context = zstd_safe::CCtx::create();
                context.set_parameter(zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
                context.compress2(&mut file, data).unwrap();
                file
            }
        }
    }

    fn sample() -> Vec<u8> {
        (0..20_000u32).flat_map(|n| (n * n / 7).to_le_bytes()).collect()
    }

    #[test]
    fn round_trips() {
        for format in FORMATS {
            for data in [&b""[..], b"depmod", &sample(), &vec![0; 1 << 20]] {
                let file = encode(format, data);
                assert!(native(format, &file).unwrap() == data, "{format:?} {}", data.len());
                assert!(pure(format, &file).unwrap() == data, "{format:?} {}", data.len());
                assert!(pieces(format, &file).unwrap() == data, "{format:?} {}", data.len());
            }
        }
    }

    #[test]
    fn decoders_are_reusable() {
        let mut decoder = NativeDecoder::new();
        let mut out = Vec::new();
        for _ in 0..3 {
            for format in FORMATS {
                for data in [sample(), b"depmod".to_vec()] {
                    out.clear();
                    decoder.decode(format, &encode(format, &data), &limits(), &mut out).unwrap();
                    assert!(out == data);
                    out.clear();
                    let broken = &encode(format, &data)[..18];
                    assert!(decoder.decode(format, broken, &limits(), &mut out).is_err());
                }
            }
        }
    }

    #[test]
    fn members_are_joined() {
        for format in FORMATS {
            let one = encode(format, b"one");
            let two = encode(format, &sample());
            for parts in [[&one, &two], [&two, &one], [&one, &one], [&two, &two]] {
                let file = [&parts[0][..], parts[1]].concat();
                let expected = pure(format, &file).unwrap();
                assert_eq!(expected.len() > 80_000, parts != [&one, &one]);
                assert!(native(format, &file).unwrap() == expected, "{format:?}");
                assert!(pieces(format, &file).unwrap() == expected, "{format:?}");
            }
        }
    }

    #[test]
    fn truncated_files_give_the_same_errors() {
        for format in FORMATS {
            let file = encode(format, b"a module, a module, a module");
            for end in Compression::MAGIC_LEN..file.len() {
                let error = native(format, &file[..end]).unwrap_err();
                assert_eq!(pure(format, &file[..end]).unwrap_err(), error, "{end}");
                for decoder in [&mut NativeDecoder::new() as &mut dyn Decoder, &mut PureDecoder::new()] {
                    assert_eq!(pieces_with(decoder, format, &file[..end]).unwrap_err(), error, "{end}");
                }
                let text = match format {
                    Compression::Gzip => "unexpected end of file",
                    Compression::Xz => "Unexpected end of input",
                    Compression::Zstd => "Src size is incorrect",
                };
                assert_eq!(error.text(), text, "{end}");
            }
        }
    }

    #[test]
    fn decoding_stops_at_the_size_limit() {
        for format in FORMATS {
            let file = encode(format, &vec![0; (1 << 20) + 1]);
            let mut out = Vec::new();
            let error = NativeDecoder::new().decode(format, &file, &limits(), &mut out).unwrap_err();
            assert_eq!(error.text(), "more than 1048576 bytes when decompressed");
            assert!(out.capacity() <= 2 << 20);
            assert_eq!(pure(format, &file).unwrap_err(), error);
        }
    }

    /// Decoded in pieces, to a limit.
    #[test]
    fn large_modules_stop_at_the_size_limit() {
        use depmod_core::parts::parse::module::{LoadError, Loader};

        let mut limits = Limits::DEFAULT;
        (limits.module_size, limits.buffered_size) = (8 << 20, 1 << 20);
        for (format, pure) in FORMATS.into_iter().flat_map(|format| [(format, false), (format, true)]) {
            let load = |begin: &[u8], size: usize| {
                let (mut native, mut rust) = (NativeDecoder::new(), PureDecoder::new());
                let decoder: &mut dyn Decoder = if pure { &mut rust } else { &mut native };
                let file = encode(format, &[begin, &vec![0; size]].concat());
                Loader::new(&limits, decoder).load(&mut file.as_slice()).unwrap_err()
            };
            let error = load(b"\x7fELF\x02\x01\x01", 8 << 20);
            let LoadError::Decode(error) = error else { panic!("{error:?}") };
            assert_eq!(error, DecodeError::too_large(format, &limits));
            assert!(matches!(load(b"\x7fELF\x02\x01\x01", (8 << 20) - 7), LoadError::Elf(_)), "{format:?}");
            assert!(matches!(load(b"MZ", 40 << 20), LoadError::Elf(_)), "{format:?}");
        }
    }

    #[test]
    fn zstd_frames_without_a_size_are_decoded() {
        let mut encoder = zstd_safe::CCtx::create();
        encoder.set_parameter(zstd_safe::CParameter::ContentSizeFlag(false)).unwrap();
        let mut file = Vec::with_capacity(100_000);
        encoder.compress2(&mut file, &sample()).unwrap();
        assert!(native(Compression::Zstd, &file).unwrap() == sample());
        file.extend_from_slice(b"garbage");
        assert!(native(Compression::Zstd, &file).unwrap() == sample());
        assert!(pieces(Compression::Zstd, &file).unwrap() == sample());
    }

    #[test]
    fn memory_is_bounded() {
        let file = encode(Compression::Xz, b"depmod");
        let mut poor = limits();
        poor.decoder_memory = 64 << 10;
        for decoder in [&mut NativeDecoder::new() as &mut dyn Decoder, &mut PureDecoder::new()] {
            let error = decoder.decode(Compression::Xz, &file, &poor, &mut Vec::new()).unwrap_err();
            assert_eq!(error.text(), "more than 65536 bytes of memory needed");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn both_decoders_agree_on_damaged_files(
            data in prop::collection::vec(prop::sample::select(&b"\0\x01ab"[..]), 0..2000),
            which in 0..3usize,
            at in any::<prop::sample::Index>(),
            bits in any::<u8>(),
        ) {
            let format = FORMATS[which];
            let mut file = encode(format, &data);
            let at = at.index(file.len());
            file[at] ^= bits;
            let (native, pure) = (native(format, &file), pure(format, &file));
            // libzstd refuses some damaged tables that ruzstd reads as they were; the content is intact then.
            let is_intact = format == Compression::Zstd && pure.as_ref().is_ok_and(|bytes| *bytes == data);
            prop_assert!(native.is_ok() == pure.is_ok() || is_intact, "{:?} {:?}", native, pure);
            let pieces = pieces(format, &file);
            prop_assert_eq!(native.is_ok(), pieces.is_ok(), "{:?} {:?}", native, pieces);
            prop_assert!(pieces.is_err() || pieces == native);
            if let (Ok(native), Ok(pure)) = (native, pure) {
                prop_assert_eq!(native, pure);
            }
        }
    }
}
