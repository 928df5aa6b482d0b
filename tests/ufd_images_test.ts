import assert from "node:assert/strict";
import { paper } from "../experiments/profiles/paper.ts";
import { gaussianFilter } from "../lib/image/blur.ts";
import { centerCrop } from "../lib/image/crop.ts";
import { jpegRoundTrip } from "../lib/image/jpeg.ts";
import { resizeBilinear, resizeShortSide } from "../lib/image/resize.ts";
import { applyTransform, isRandom } from "../lib/image/transform.ts";
import { openMadeWorld, type World } from "../lib/runs/world.ts";
import { noiseImage } from "./image_samples.ts";
import { makeSmallWorld, SMALL_BACKBONE, smallProfile, smallSetup } from "./small_world.ts";
import { temporaryFolder } from "./temporary.ts";

const KEY = { seed: 0, epoch: 1, path: "horse/0.png" };

const folder = temporaryFolder("ufd_images_");
await makeSmallWorld(folder);

/** A world whose profile has UFD's recipe of the paper. */
async function withWorld(action: (world: World) => void | Promise<void>): Promise<void> {
  const profile = { ...smallProfile, ufd: { ...paper.ufd!, featureSpaces: [] } };
  await using world = await openMadeWorld(smallSetup(folder, `${folder}/results`, { profile }));
  await action(world);
}

Deno.test("the short side gets its length, the long one what follows, cut to a whole number", () => {
  const sizes = (width: number, height: number, lengthPx: number) => {
    const resized = resizeShortSide(noiseImage(width, height), lengthPx);
    return [resized.width, resized.height];
  };
  assert.deepEqual(sizes(40, 30, 20), [26, 20]); // 26.67
  assert.deepEqual(sizes(30, 40, 20), [20, 26]);
  assert.deepEqual(sizes(31, 31, 50), [50, 50]);
  const image = noiseImage(40, 30);
  assert.deepEqual(resizeShortSide(image, 20), resizeBilinear(image, 26, 20));
  assert.equal(resizeShortSide(image, 30), image, "nothing is done to one that has it");
});

Deno.test("test images are compressed or blurred whole, then cropped", async () => {
  const image = noiseImage(45, 37);
  const { data: [crop], worst } = await degraded({ jpegQuality: 40 });
  assert.deepEqual(crop, centerCrop(jpegRoundTrip(image, 40), 24).data);
  assert.ok(worst > 20, "it differs from the image");
  const { data: [blurred] } = await degraded({ blurSigmaPx: 2 });
  assert.deepEqual(blurred, centerCrop(gaussianFilter(image, 2), 24).data);
  assert.deepEqual((await degraded({ blurSigmaPx: 0 })).worst, 0);
  assert.equal(isRandom({ kind: "degraded", size: 24, blurSigmaPx: 1 }), false);

  function degraded(how: { jpegQuality: number } | { blurSigmaPx: number }) {
    const data = applyTransform(image, { kind: "degraded", size: 24, ...how }, KEY);
    const plain = centerCrop(image, 24).data;
    const differences = Array.from(plain, (value, i) => Math.abs(value - data[0]![i]!));
    return { data, worst: Math.max(...differences) };
  }
});

Deno.test("views of compression and blur go by their names, and no others of that kind", () =>
  withWorld((world) => {
    assert.deepEqual(world.viewTransform("jpeg 30", 64), {
      kind: "degraded",
      size: 64,
      jpegQuality: 30,
    });
    assert.deepEqual(world.viewTransform("blur 1.5", 64), {
      kind: "degraded",
      size: 64,
      blurSigmaPx: 1.5,
    });
    for (
      const view of ["jpeg 0", "jpeg 101", "jpeg 9.5", "jpeg", "blur -1", "blur x", "jpeg 30 "]
    ) {
      assert.throws(
        () => world.viewTransform(view, 64),
        new RegExp(`jpeg 90 or blur 1.5 with other numbers; found ${view}$`),
      );
    }
  }));

Deno.test("training images go through what the detector asks for", () =>
  withWorld((world) => {
    const { training } = smallProfile;
    assert.deepEqual(world.trainingView("plain", 64), {
      transform: { kind: "center", size: 64 },
      augmentations: 0,
    });
    const rine = world.trainingView("rine", 64);
    assert.equal(rine.augmentations, training.augmentations);
    assert.ok(rine.transform.kind === "train" && rine.transform.shortSidePx === undefined);
    assert.equal(rine.transform.augmentation.blurProbability, training.blurProbability);
    assert.equal(rine.transform.augmentation.protocol, "released");
    assert.deepEqual(world.trainingView("ufd", 64), {
      transform: {
        kind: "train",
        size: 64,
        shortSidePx: 256,
        // any quality from 30 to 100, whatever the profile's protocol
        augmentation: {
          protocol: "paper",
          blurProbability: .5,
          blurSigmaPx: [0, 3],
          jpegProbability: .5,
          jpegQualities: [30, 100],
          flipProbability: .5,
        },
      },
      augmentations: 15,
    });
  }));

Deno.test("UFD's training images are resized before anything else is done to them", () => {
  const image = noiseImage(100, 50);
  const augmentation = {
    protocol: "paper",
    blurProbability: 0,
    blurSigmaPx: [0, 3],
    jpegProbability: 0,
    jpegQualities: [30, 100],
    flipProbability: 0,
  } as const;
  const [crop] = applyTransform(
    image,
    { kind: "train", size: 20, augmentation, shortSidePx: 20 },
    KEY,
  );
  // 40 × 20: only the place along the long side is drawn
  const whole = resizeBilinear(image, 40, 20);
  const starts = Array.from({ length: 21 }, (_, left) => left).filter((left) =>
    crop!.every((value, i) => {
      const row = Math.floor(i / 60), rest = i % 60;
      return whole.data[(row * 40 + left) * 3 + rest] === value;
    })
  );
  assert.equal(starts.length, 1);
});

Deno.test("a backbone of the profile is opened when it is asked for, once; others are refused", async () => {
  const profile = {
    ...smallProfile,
    backbones: [],
    ufd: {
      ...paper.ufd!,
      featureSpaces: [SMALL_BACKBONE, "gone"].map((backbone) => ({ backbone, title: backbone })),
    },
  };
  const setup = smallSetup(folder, `${folder}/results`, { profile });
  await using world = await openMadeWorld(setup);
  assert.equal(world.backbones.size, 0, "none is opened before");
  const [one, other] = await Promise.all([1, 2].map(() => world.backbone(SMALL_BACKBONE)));
  assert.equal(one, other);
  assert.equal(await world.backbone(SMALL_BACKBONE), one);
  assert.equal(world.backbones.size, 1);
  await assert.rejects(world.backbone("gone"), { kind: "missing" });
  await assert.rejects(
    world.backbone("else"),
    /^UserError: Cannot plan runs: expected a backbone of .*, gone(, .*)?; found else$/,
  );
});
