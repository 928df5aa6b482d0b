"""Image files of many kinds, and the pixels that Pillow reads of them.

python3 tests/golden/image_files.py FOLDER [--tools] [--read]

Writes files into FOLDER, and expected.json there: for each name, width, height and SHA-256 of the
bytes of Image.open(name).convert("RGB"), format and mode, or null where Pillow refuses. --tools makes
more of them with tiffcp, ImageMagick and avifenc, where they are installed; --read makes none, and
reads those that are there, in folders below too. compare_images.ts holds what is read here to that.
"""

import hashlib
import itertools
import json
import random
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

from PIL import Image, features

try:
    import zstandard
except ImportError:
    zstandard = None

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random.seed(1)


def picture(width, height):
    image = Image.new("RGB", (width, height))
    image.putdata([
        ((x * 7 + y * 3) % 256, (x * x // 5 + y) % 256, (x * 3 ^ y * 11) % 256)
        for y in range(height)
        for x in range(width)
    ])
    return image


def as_mode(image, mode):
    if mode in ("RGBA", "LA", "PA"):
        alpha = Image.linear_gradient("L").resize(image.size)
        if mode == "PA":
            return None
        made = image.convert(mode)
        made.putalpha(alpha)
        return made
    if mode == "P":
        return image.quantize(200)
    if mode == "I;16":
        return image.convert("L").convert("I").point(lambda v: v * 257).convert("I;16")
    return image.convert(mode)


SIZES = [(37, 23), (64, 40), (1, 9), (130, 5)]


def tiffs():
    for (i, size), mode in itertools.product(
        enumerate(SIZES), ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F", "LAB"]
    ):
        image = as_mode(picture(*size), mode) if mode != "LAB" else Image.new("LAB", size, (50, 9, 9))
        for compression in [
            None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group3", "group4", "zstd", "lzma"
        ]:
            name = f"pillow_{mode.replace(';', '')}_{compression}_{i}.tif"
            try:
                image.save(folder / name, compression=compression)
            except Exception:
                (folder / name).unlink(missing_ok=True)
    for orientation in range(1, 9):
        picture(37, 23).save(folder / f"turned_{orientation}.tif", tiffinfo={274: orientation})
        picture(37, 23).save(
            folder / f"turned_lzw_{orientation}.tif", compression="tiff_lzw", tiffinfo={274: orientation}
        )
    pages = [picture(37, 23), picture(20, 30)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    picture(37, 23).save(folder / "big.tif", big_tiff=True)
    for order, depth, photometric, rows in itertools.product("<>", [1, 2, 4, 8, 16], [0, 1, 2, 3, 5], [7, 99]):
        samples = {2: 3, 5: 4}.get(photometric, 1)
        if samples > 1 and depth < 8:
            continue
        for extra in [[], [0], [1], [2]]:
            word = extra[0] if extra else None
            raw_tiff(f"raw_{'II' if order == '<' else 'MM'}_{depth}_{photometric}_{rows}_{word}.tif", order,
                     37, 23, depth, photometric, samples + len(extra), rows, extra)
    for depth, photometric, extra, compression, planar in itertools.product(
        [1, 2, 4, 8, 16], [0, 1, 2, 3, 5, 6], [[], [0], [1], [2], [999], [0, 0], [1, 0], [2, 0], [1, 0, 0]],
        [1, 8, 50000], [1, 2]
    ):
        samples = {2: 3, 5: 4, 6: 3}.get(photometric, 1)
        if samples > 1 and depth < 8:
            continue
        word = "_".join(map(str, extra))
        raw_tiff(f"packed_{depth}_{photometric}_{word}_{compression}_{planar}.tif", random.choice("<>"),
                 37, 23, depth, photometric, samples + len(extra), 9, extra, compression, planar)
    for depth, photometric, compression, tile, fill in itertools.product(
        [1, 2, 4, 8, 16], [0, 1, 2, 3, 5, 6], [1, 8], [0, 16], [1, 2]
    ):
        samples = {2: 3, 5: 4, 6: 3}.get(photometric, 1)
        if samples > 1 and depth < 8:
            continue
        for planar in [1, 2]:
            raw_tiff(f"tiles_{depth}_{photometric}_{compression}_{tile}_{fill}_{planar}.tif", "<", 37, 23, depth,
                     photometric, samples, 9, [], compression, planar, tile, fill)
        if compression == 8 and fill == 1:
            raw_tiff(f"difference_{depth}_{photometric}_{tile}.tif", random.choice("<>"), 37, 23, depth,
                     photometric, samples, 9, [], compression, 1, tile, fill, 2)
    # four samples, of which nothing says what the last one is; colours that are fewer than indices
    for depth, compression, planar in itertools.product([8, 16], [1, 8], [1, 2]):
        raw_tiff(f"unsaid_{depth}_{compression}_{planar}.tif", "<", 37, 23, depth, 2, 4, 9, [], compression, planar)
    for colours in [1, 100, 300]:
        raw_tiff(f"colours_{colours}.tif", "<", 37, 23, 8, 3, 1, 9, [], colours=colours)
    for bits, colours in [(1, 1), (2, 3), (2, 4), (4, 3), (4, 256)]:
        raw_tiff(f"colours_{bits}_{colours}.tif", "<", 37, 23, bits, 3, 1, 9, [], colours=colours)
        raw_tiff(f"colours_{bits}_{colours}_packed.tif", "<", 37, 23, bits, 3, 1, 9, [], 8, colours=colours)


def raw_tiff(name, order, width, height, depth, photometric, samples, rows, extra,
             compression=1, planar=1, tile=0, fill=1, predictor=1, colours=None):
    across, lines = (tile * -(-width // tile) // tile, [tile] * -(-height // tile)) if tile else (
        1, [min(rows, height - top) for top in range(0, height, rows)])
    each = samples if planar == 1 else 1
    stride = ((tile or width) * each * depth + 7) // 8
    strips = [random.randbytes(stride * count) for _ in range(samples // each)
              for count in lines for _ in range(across)]
    if compression == 8:
        strips = [zlib.compress(strip) for strip in strips]
    if compression == 50000:
        if zstandard is None:
            return
        strips = [zstandard.compress(strip) for strip in strips]
    tags = [(256, 3, [width]), (257, 3, [height]), (258, 3, [depth] * samples), (259, 3, [compression]),
            (262, 3, [photometric]), (266, 3, [fill]), (277, 3, [samples]), (284, 3, [planar]),
            (317, 3, [predictor])]
    if tile:
        tags += [(322, 3, [tile]), (323, 3, [tile]), (324, 4, None), (325, 4, [len(strip) for strip in strips])]
    else:
        tags += [(273, 4, None), (278, 3, [rows]), (279, 4, [len(strip) for strip in strips])]
    if photometric == 3:
        count = 3 << depth if colours is None else 3 * colours
        tags.append((320, 3, [random.randrange(65536) for _ in range(count)]))
    if photometric == 6:
        tags.append((530, 3, [1, 1]))
    if extra:
        tags.append((338, 3, extra))
    tags.sort()
    offsets, at = [], 8
    for strip in strips:
        offsets.append(at)
        at += len(strip)
    at += at % 2
    data = at + 2 + 12 * len(tags) + 4
    entries, tail = b"", b""
    for tag, kind, values in tags:
        values = offsets if values is None else values
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            where = struct.pack(order + "I", data + len(tail))
            tail += packed
        else:
            where = packed.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + where
    body = b"".join(strips)
    (folder / name).write_bytes(
        (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at) + body
        + b"\0" * (at - 8 - len(body)) + struct.pack(order + "H", len(tags)) + entries + b"\0" * 4 + tail)


def gifs():
    for i, size in enumerate(SIZES + [(300, 200)]):
        for mode, interlace in itertools.product(["1", "L", "P"], [0, 1]):
            image = as_mode(picture(*size), mode)
            image.save(folder / f"pillow_{mode}_{interlace}_{i}.gif", interlace=interlace)
            image.save(folder / f"clear_{mode}_{interlace}_{i}.gif", interlace=interlace, transparency=3)
        for colours in [2, 3, 7, 16, 40, 256]:
            picture(*size).quantize(colours).save(folder / f"colours_{colours}_{i}.gif")
    frames = [picture(40, 30).quantize(9), picture(40, 30).rotate(90).quantize(9)]
    frames[0].save(folder / "frames.gif", save_all=True, append_images=frames[1:], disposal=2)
    # frames that are smaller or larger than their canvas
    base = bytearray((folder / "pillow_P_0_0.gif").read_bytes())
    for width, height in [(50, 40), (20, 10), (37, 60)]:
        changed = bytearray(base)
        changed[6:10] = struct.pack("<HH", width, height)
        (folder / f"canvas_{width}_{height}.gif").write_bytes(changed)
        changed = bytearray((folder / "clear_P_0_0.gif").read_bytes())
        changed[6:10] = struct.pack("<HH", width, height)
        (folder / f"clear_canvas_{width}_{height}.gif").write_bytes(changed)
    # indices beyond the palette
    few = bytearray(picture(37, 23).quantize(40).tobytes())
    for cut in [1, 9, 200]:
        (folder / f"cut_{cut}.gif").write_bytes(base[:-cut])


def bmps():
    for i, size in enumerate(SIZES):
        for mode in ["1", "L", "P", "RGB", "RGBA"]:
            as_mode(picture(*size), mode).save(folder / f"pillow_{mode}_{i}.bmp")
        for bits, top_down, header in itertools.product([1, 4, 8, 16, 24, 32], [0, 1], [12, 40, 108, 124]):
            if not (top_down and header == 12):
                raw_bmp(f"raw_{bits}_{top_down}_{header}_{i}.bmp", *size, bits, top_down, header)
        for bits, masks in [
            (16, (0xF800, 0x7E0, 0x1F, 0)), (16, (0x7C00, 0x3E0, 0x1F, 0)), (16, (0xF00, 0xF0, 0xF, 0)),
            (32, (0xFF0000, 0xFF00, 0xFF, 0)), (32, (0xFF000000, 0xFF0000, 0xFF00, 0)),
            (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)), (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
            (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)), (32, (0, 0, 0, 0)),
        ]:
            for header in [40, 108]:
                raw_bmp(f"masks_{bits}_{masks[0]:x}_{masks[3]:x}_{header}_{i}.bmp", *size, bits, 0, header, masks)
        for kind in [1, 2]:
            runs_bmp(f"runs_{kind}_{i}.bmp", *size, kind)


def bmp_header(width, height, bits, top_down, header, compression, colours, masks, data, size=0):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
        palette = b"".join(colour[:3] for colour in colours)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits,
                           compression, len(data), 0, 0, len(colours), 0)
        if header > 40:
            info += struct.pack("<4I", *(masks or (0, 0, 0, 0)))
            info = info.ljust(header, b"\0")
        elif masks:
            info += struct.pack("<3I", *masks[:3])
        palette = b"".join(colours)
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def raw_bmp(name, width, height, bits, top_down, header, masks=None):
    colours = [random.randbytes(3) + b"\0" for _ in range(1 << bits)] if bits <= 8 else []
    data = random.randbytes(((width * bits + 31) // 32 * 4) * height)
    (folder / name).write_bytes(
        bmp_header(width, height, bits, top_down, header, 3 if masks else 0, colours, masks, data))


def runs_bmp(name, width, height, kind):
    bits = 8 if kind == 1 else 4
    data = b""
    for _ in range(height):
        left = width
        while left > 0:
            count = min(left, random.randint(1, 20))
            if count >= 3 and random.random() < .5:
                length = count if kind == 1 else (count + 1) // 2
                data += bytes([0, count]) + random.randbytes(length) + b"\0" * (length % 2)
            else:
                data += bytes([count, random.randrange(256)])
            left -= count
        data += b"\0\0"
    data += b"\0\1"
    colours = [random.randbytes(3) + b"\0" for _ in range(1 << bits)]
    (folder / name).write_bytes(bmp_header(width, height, bits, 0, 40, kind, colours, None, data))


def palettes():
    """Palette images of every depth; partial palettes, indices beyond them, transparency."""
    for bits, interlace in itertools.product([1, 2, 4, 8], [0, 1]):
        for colours in sorted({1, 2, 3, 1 << bits, max(1, (1 << bits) - 1)}):
            if colours > 1 << bits:
                continue
            ramps = [False, True] if colours > 1 else [False]
            for clear, is_ramp in itertools.product([None, 1, colours], ramps):
                palette_png(f"palette_{bits}_{colours}_{clear}_{int(is_ramp)}_{interlace}.png",
                            bits, colours, clear, is_ramp, interlace)
    for bits, colours, is_ramp in itertools.product([1, 4, 8], [1, 2, 3, 16, 40, 200], [0, 1, 2]):
        if colours <= 1 << bits:
            palette_bmp(f"palette_{bits}_{colours}_{is_ramp}.bmp", bits, colours, is_ramp)
    for bits, is_ramp, clear, interlace in itertools.product(
        range(1, 8), [0, 1], [None, 1, 255], [0, 1]
    ):
        palette_gif(f"palette_{bits}_{is_ramp}_{clear}_{interlace}.gif", bits, is_ramp, clear, interlace)


def colours_of(count, is_ramp, step=1):
    return b"".join(bytes([i * step % 256] * 3) if is_ramp else random.randbytes(3) for i in range(count))


def png_chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def palette_png(name, bits, colours, clear, is_ramp, interlace):
    width, height = 37, 23
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    lines = b""
    for left, top, across, down in passes if interlace else [(0, 0, 1, 1)]:
        columns = len(range(left, width, across))
        for _ in range(top, height, down):
            if columns:
                lines += b"\0" + random.randbytes((columns * bits + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, interlace)
    parts = [(b"IHDR", header), (b"PLTE", colours_of(colours, is_ramp))]
    if clear is not None:
        parts.append((b"tRNS", random.randbytes(clear)))
    parts += [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts))


def palette_bmp(name, bits, colours, is_ramp):
    width, height = 37, 23
    step = 255 if is_ramp == 2 else 1
    palette = [colours_of(colours, is_ramp, step)[3 * i:3 * i + 3] + b"\0" for i in range(colours)]
    data = random.randbytes((width * bits + 31) // 32 * 4 * height)
    (folder / name).write_bytes(bmp_header(width, height, bits, 0, 40, 0, palette, None, data))


def palette_gif(name, bits, is_ramp, clear, interlace):
    """Codes of eight bits and a clear code before each run of them: indices of all sizes."""
    width, height = 37, 23
    codes, packed, held = [], 0, 0
    for i in range(width * height):
        if i % 200 == 0:
            codes.append(256)
        codes.append(random.randrange(256))
    for code in codes + [257]:
        packed |= code << held
        held += 9
    stream = packed.to_bytes((held + 7) // 8, "little")
    blocks = b"".join(bytes([len(stream[i:i + 255])]) + stream[i:i + 255] for i in range(0, len(stream), 255))
    control = b"" if clear is None else struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 1, 0, clear, 0)
    (folder / name).write_bytes(
        b"GIF89a" + struct.pack("<HHBBB", width + 3, height + 2, 0x80 | (bits - 1), 0, 0)
        + colours_of(2 << (bits - 1), is_ramp) + control
        + struct.pack("<BHHHHB", 0x2C, 2, 1, width, height, 64 * interlace) + bytes([8]) + blocks + b"\0;")


def pngs():
    for (i, size), mode in itertools.product(enumerate(SIZES), ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]):
        image = as_mode(picture(*size), mode)
        name = f"pillow_{mode.replace(';', '')}_{i}"
        image.save(folder / f"{name}.png")
        if mode in ("1", "L", "P", "RGB"):
            image.save(folder / f"{name}_clear.png", transparency=(9, 9, 9) if mode == "RGB" else 9)
        if mode == "P":
            image.save(folder / f"{name}_alpha.png", transparency=bytes(range(100)))
            for bits, colours in [(1, 2), (2, 4), (4, 16)]:
                picture(*size).quantize(colours).save(folder / f"{name}_{bits}.png", bits=bits)


def jpegs():
    for (i, size), mode in itertools.product(enumerate(SIZES), ["L", "RGB", "CMYK"]):
        image = as_mode(picture(*size), mode)
        for quality, subsampling, progressive in itertools.product([30, 95], [0, 1, 2], [False, True]):
            image.save(folder / f"pillow_{mode}_{quality}_{subsampling}_{int(progressive)}_{i}.jpg",
                       quality=quality, subsampling=subsampling, progressive=progressive)


def webps():
    for (i, size), mode, lossless in itertools.product(enumerate(SIZES), ["L", "P", "RGB", "RGBA"], [0, 1]):
        for quality in [10, 90]:
            as_mode(picture(*size), mode).save(
                folder / f"pillow_{mode}_{lossless}_{quality}_{i}.webp", lossless=bool(lossless), quality=quality)


def tgas():
    for (i, size), mode, run, corner in itertools.product(
        enumerate(SIZES), ["1", "L", "LA", "P", "RGB", "RGBA"], [0, 1], [-1, 1]
    ):
        if not (run and mode == "1"):
            as_mode(picture(*size), mode).save(folder / f"pillow_{mode}_{run}_{corner}_{i}.tga",
                                               compression="tga_rle" if run else None, orientation=corner)
    for (kind, bits), map_bits, corner, run in itertools.product(
        [(1, 8), (2, 16), (2, 24), (2, 32), (3, 8), (3, 16), (3, 1)], [0, 16, 24, 32], [0, 0x10, 0x20, 0x30], [0, 1]
    ):
        width, height, first, colours = 37, 23, 5, 100
        palette = random.randbytes(colours * map_bits // 8)
        each, pixels = bits // 8, b""
        if not run:
            pixels = random.randbytes((width * bits + 7) // 8 * height)
        else:
            for _ in range(height):
                left = width
                while left and each:
                    count = min(left, random.randint(1, 20))
                    left -= count
                    if random.random() < .5:
                        pixels += bytes([127 + count]) + random.randbytes(each)
                    else:
                        pixels += bytes([count - 1]) + random.randbytes(count * each)
            if corner == 0x10:  # literals that go on in the next row
                pixels = b"".join(
                    bytes([127]) + random.randbytes(128 * each) for _ in range(width * height // 128 + 1))
        header = struct.pack("<BBBHHBHHHHBB", 3, map_bits > 0, kind + 8 * run, first * (map_bits > 0),
                             colours * (map_bits > 0), map_bits, 0, 0, width, height, bits, corner)
        (folder / f"raw_{kind}_{bits}_{map_bits}_{corner}_{run}.tga").write_bytes(header + b"abc" + palette + pixels)


def qois():
    for (i, size), mode in itertools.product(enumerate(SIZES + [(300, 200)]), ["RGB", "RGBA"]):
        as_mode(picture(*size), mode).save(folder / f"pillow_{mode}_{i}.qoi")
        as_mode(Image.new("RGB", size, (1, 2, 3)), mode).save(folder / f"flat_{mode}_{i}.qoi")
    for i in range(30):
        (folder / f"raw_{i}.qoi").write_bytes(
            b"qoif" + struct.pack(">IIBB", 37, 23, 3 + i % 2, 0) + random.randbytes(37 * 23 * 5) + bytes(7) + b"\1")


def icos():
    for (size, mode), kind in itertools.product(
        itertools.product([(16, 16), (37, 23), (64, 40), (256, 256), (1, 9)], ["1", "L", "P", "RGB", "RGBA"]),
        ["bmp", "png"]
    ):
        as_mode(picture(*size), mode).save(folder / f"pillow_{mode}_{size[0]}_{kind}.ico", bitmap_format=kind,
                                           sizes=[size, (16, 16), (8, 9)])
    # pictures of one size and of several depths
    pictures = [as_mode(picture(32, 32).rotate(90 * i), mode) for i, mode in enumerate(["RGBA", "P", "RGB"])]
    pictures[0].save(folder / "depths.ico", bitmap_format="bmp", sizes=[(32, 32)], append_images=pictures[1:])
    for cut in [1, 20, 100]:
        (folder / f"cut_{cut}.ico").write_bytes((folder / "pillow_P_37_bmp.ico").read_bytes()[:-cut])
    for mode in ["1", "L", "P", "RGB"]:
        as_mode(picture(37, 23), mode).save(folder / f"pillow_{mode}.dib")


def pnms():
    for i, size in enumerate(SIZES):
        width, height = size
        for mode, ending in [("1", "pbm"), ("L", "pgm"), ("RGB", "ppm"), ("I;16", "pgm")]:
            as_mode(picture(*size), mode).save(folder / f"pillow_{mode.replace(';', '')}_{i}.{ending}")
        for kind, white in itertools.product([2, 3, 5, 6], [1, 7, 100, 255, 256, 1023, 65535]):
            count = width * height * (3 if kind in (3, 6) else 1)
            values = [random.randint(0, white) for _ in range(count)]
            head = f"P{kind}\n# a word\n{width} {height}\n{white}\n".encode()
            if kind < 4:
                body = "\n".join(map(str, values)).encode()
            else:
                body = struct.pack(f">{count}{'B' if white < 256 else 'H'}", *values)
            (folder / f"raw_{kind}_{white}_{i}.pnm").write_bytes(head + body)
        bits = "".join(random.choice("01") for _ in range(width * height))
        (folder / f"raw_1_{i}.pbm").write_bytes(f"P1 {width} {height}\n{bits}".encode())
        (folder / f"raw_1_spaced_{i}.pbm").write_bytes(f"P1 {width} {height}\n{' '.join(bits)}\n".encode())


def avifs():
    if not features.check("avif"):
        return
    for (i, size), subsampling, range in itertools.product(
        enumerate(SIZES), ["4:2:0", "4:2:2", "4:4:4", "4:0:0"], ["full", "limited"]
    ):
        for mode in ["RGB", "RGBA"]:
            as_mode(picture(*size), mode).save(
                folder / f"pillow_{mode}_{subsampling.replace(':', '')}_{range}_{i}.avif",
                subsampling=subsampling, range=range, quality=60, speed=8)
    pages = [picture(37, 23), picture(37, 23).rotate(180)]
    pages[0].save(folder / "sequence.avif", save_all=True, append_images=pages[1:], quality=60)
    exif = Image.Exif()
    exif[274] = 6
    pages[0].save(folder / "turned.avif", exif=exif, quality=60)
    # nothing says how colours are coded but the stream
    for name in ["pillow_RGB_420_limited_0", "pillow_RGBA_444_full_0", "sequence"]:
        unsaid = (folder / f"{name}.avif").read_bytes().replace(b"colrnclx", b"freenclx")
        (folder / f"unsaid_{name}.avif").write_bytes(unsaid)


def avif_tools():
    source, clear = folder / "avif_source.png", folder / "avif_clear.png"
    picture(129, 75).save(source)
    as_mode(picture(129, 75), "RGBA").save(clear)
    square = folder / "avif_square.png"
    picture(160, 144).save(square)
    made = lambda name, *words: subprocess.run(
        ["avifenc", "-s", "8", *words, str(folder / f"avifenc_{name}.avif")], capture_output=True, timeout=60)
    for depth, range, subsampling in itertools.product(["8", "10", "12"], "fl", ["420", "422", "444", "400"]):
        for name, image in [("colour", source), ("alpha", clear)]:
            made(f"{depth}_{range}_{subsampling}_{name}", "-d", depth, "-r", range, "-y", subsampling, str(image))
    for cicp in ["1/13/1", "9/16/9", "5/6/5", "2/2/2", "1/13/8", "1/13/12", "9/13/12", "12/13/12", "1/13/4"]:
        for range in "fl":
            made(f"cicp_{cicp.replace('/', '_')}_{range}", "-r", range, "--cicp", cicp, str(source))
    for depth, matrix, range in itertools.product(["10", "12"], ["0", "1", "9"], "fl"):
        for name, image in [("colour", source), ("alpha", clear)]:
            made(f"cicp_{matrix}_{depth}_{range}_{name}", "-d", depth, "-r", range, "-y", "444",
                 "--cicp", f"1/13/{matrix}", str(image))
            made(f"cicp_{matrix}_{depth}_{range}_{name}_420", "-d", depth, "-r", range, "-y", "420",
                 "--cicp", f"1/13/{matrix}", str(image))
    for subsampling in ["420", "422", "444", "400"]:
        made(f"grid_{subsampling}", "-g", "2x2", "-y", subsampling, str(square))
    made("lossless", "--lossless", str(source))
    made("turned", "--irot", "1", "--imir", "0", str(source))
    made("cropped", "--clap", "50,1,50,1,0,1,0,1", str(source))
    made("multiplied", "-p", str(clear))


def tools():
    source = folder / "tool_source.tif"
    picture(70, 45).save(source)
    run = lambda *words: subprocess.run(words, capture_output=True, timeout=60)
    if shutil.which("tiffcp"):
        for mode in ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"]:
            start = folder / f"tool_{mode}.tif"
            as_mode(picture(70, 45), mode).save(start)
            for c, flags, tile in itertools.product(
                ["none", "lzw", "lzw:2", "zip", "zip:2", "packbits", "jpeg", "g3", "g3:2d", "g4", "zstd", "zstd:2"],
                [[], ["-B"], ["-8"], ["-8", "-B"], ["-p", "separate"], ["-f", "lsb2msb"], ["-r", "7"]],
                [[], ["-t", "-w", "32", "-l", "16"]]
            ):
                word = "_".join([mode, c, *flags, *tile[:1]]).replace("-", "").replace(":", "")
                run("tiffcp", "-c", c, *flags, *tile, str(start), str(folder / f"tiffcp_{word}.tif"))
        for flags in [["-c", "none"], ["-c", "lzw"], ["-c", "lzw:2"], ["-c", "zip"], ["-c", "zip:2"],
                      ["-c", "packbits"], ["-c", "jpeg"], ["-c", "jpeg:r"], ["-c", "zip", "-r", "3"],
                      ["-p", "separate"], ["-p", "separate", "-c", "lzw"], ["-B"], ["-L"], ["-c", "lzma"]]:
            for tile in [[], ["-t", "-w", "32", "-l", "16"]]:
                run("tiffcp", *flags, *tile, str(source),
                    str(folder / f"tiffcp_{'_'.join(flags + tile).replace('-', '').replace(':', '')}.tif"))
    convert = next((name for name in ["magick", "convert-im6.q16", "convert"] if shutil.which(name)), None)
    if convert:
        for kind, depth in itertools.product(
            ["Bilevel", "Grayscale", "Palette", "TrueColor", "TrueColorAlpha", "ColorSeparation"], [1, 8, 16]
        ):
            for ending in ["tif", "bmp", "gif", "ppm", "bmp2.bmp", "bmp3.bmp"]:
                prefix = f"{ending.split('.')[0]}:" if "." in ending else ""
                run(convert, str(source), "-type", kind, "-depth", str(depth),
                    f"{prefix}{folder / f'magick_{kind}_{depth}.{ending}'}")


def write_expected():
    expected = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json" or not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        try:
            with Image.open(path) as image:
                rgb = image.convert("RGB")
                kind = f"{image.format} {image.mode}"
            expected[name] = [*rgb.size, hashlib.sha256(rgb.tobytes()).hexdigest(), kind]
        except Exception:
            expected[name] = None
    lines = [f"{json.dumps(name)}: {json.dumps(pixels)}" for name, pixels in expected.items()]
    (folder / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(len(expected), "files")


if "--read" not in sys.argv:
    tiffs()
    pngs()
    jpegs()
    webps()
    palettes()
    gifs()
    bmps()
    tgas()
    qois()
    icos()
    pnms()
    avifs()
    if "--tools" in sys.argv:
        tools()
        if shutil.which("avifenc"):
            avif_tools()
write_expected()
