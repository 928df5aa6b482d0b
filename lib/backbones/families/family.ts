/**
 * What is known of one maker's weights: how the tensors are named, and all that their shapes do not
 * tell. A family is a file of such data in this folder and a line in `index.ts`.
 * @module
 */
import * as v from "valibot";

/** What can stand between the two layers of a transformer's MLP. */
export const ACTIVATIONS = ["quick_gelu", "gelu", "gelu_tanh"] as const;

/**
 * `quick_gelu`: x · sigmoid(1.702 x), as OpenAI trained CLIP. `gelu`: by the error function.
 * `gelu_tanh`: approximated by tanh, as SigLIP has it.
 */
export type Activation = typeof ACTIVATIONS[number];

/** A value for each of red, green and blue, as files keep it. */
export const CHANNELS: v.GenericSchema<[number, number, number]> = v.strictTuple([
  v.number(),
  v.number(),
  v.number(),
]);

/** What stands for an image in a sequence: its class token, or the mean over its patches. */
export type Pooling = "class" | "mean";

/**
 * What no tensor's shape tells, of any network. A family says it, or its rule does; who knows better
 * of a file says so when it is read.
 */
export interface WeightsSettings {
  /** Number of attention heads, of a ResNet those of its attention pool. */
  readonly heads?: number;
  /** What stands between the two layers of a transformer's MLP. */
  readonly activation?: Activation;
  /** ε of every normalisation: of layers in a transformer, of batches in a ResNet. */
  readonly epsilon?: number;
  /** Pixel normalisation by channel, on values in [0, 1]. */
  readonly pixelMean?: readonly [number, number, number];
  /** Divides the pixels, after the mean is taken off; by channel. */
  readonly pixelStd?: readonly [number, number, number];
  /** What stands for an image that has a class token; without one it is always the mean. */
  readonly pooling?: Pooling;
  /** Side in pixels of the crops that a ResNet takes whose last map is averaged; others tell it. */
  readonly resolutionPx?: number;
}

/** What no tensor's shape tells of a vision transformer. */
export type VitSettings = Required<Omit<WeightsSettings, "resolutionPx">>;

/** What no tensor's shape tells of a ResNet. */
export type ResnetSettings = Required<Omit<WeightsSettings, "activation" | "pooling">>;

/** Those of the given settings that are others than weights have of themselves, in their order. */
export function differences<Own extends object>(given: Partial<Own>, own: Own): Partial<Own> {
  const wantedOf = (name: string, value: unknown) => given[name as keyof Own] ?? value;
  return Object.fromEntries(
    Object.entries(own)
      .map(([name, value]) => [name, wantedOf(name, value), value] as const)
      .filter(([, wanted, value]) => JSON.stringify(wanted) !== JSON.stringify(value)),
  ) as Partial<Own>;
}

/** What files under the same names differ in, so that somebody has to say it. */
export type Unsaid = "activation" | "pixels" | "heads";

/** The configuration that makers put beside their files. */
export type ConfigurationKind = "Hugging Face" | "open_clip" | "timm";

/** A family of vision transformers. In names of tensors, `{}` stands for the block's number. */
export interface Family extends Omit<VitSettings, "heads"> {
  /** Its name for people and records: `OpenAI CLIP`. */
  readonly name: string;
  /** A tensor that every file of this family has, and none of the families after it. */
  readonly mark: string;
  /** Tensors outside the blocks: this project's name → the file's. */
  readonly stem: Readonly<Record<string, string>>;
  /** Tensors of each block: this project's name → the file's. */
  readonly block: Readonly<Record<string, string>>;
  /** One tensor that holds queries', keys' and values' weights, one under the other. */
  readonly fusedQkv?: { readonly weight: string; readonly bias: string };
  /** There are as many heads as are this wide, unless the file's metadata say `heads`. */
  readonly headWidth: number;
  /**
   * What files of these names differ in: it is read from the configuration beside them or asked for.
   * What is given here of it is taken for files that were imported before it was asked.
   */
  readonly unsaid: readonly Unsaid[];
  /** A tensor that its first maker's files alone hold, of which all is known. */
  readonly ownMark?: string;
  /** Who has files of these names, for the question. */
  readonly choices?: string;
  /** What tells the rest, beside the file. */
  readonly configuration?: ConfigurationKind;
  /** Whether all of its towers have heads of {@linkcode Family.headWidth}. */
  readonly headsAreKnown?: true;
  /** A pool by attention, of which an image embedding comes. */
  readonly pool?: AttentionPool;
  /**
   * Tensors of pools. Where there are others than those of `pool`, it is not computed here: there is
   * then no image embedding.
   */
  readonly otherPool?: RegExp;
  /** Where this tensor is there, the projection is a classification head. */
  readonly classifier?: string;
  /** Tensors that this project has no use for: the text tower, classification heads. */
  readonly ignored: RegExp;
}

/**
 * A query of its own that attends to all tokens, and an MLP: SigLIP's. Its tensors, this project's
 * name → the file's, and one that holds the weights of several projections, one under the other.
 */
export interface AttentionPool {
  readonly names: Readonly<Record<string, string>>;
  readonly fused: {
    readonly weight: string;
    readonly bias: string;
    readonly parts: readonly ("q" | "k" | "v")[];
  };
}

/** A convolution and the batch normalisation after it, by the file's names. */
export interface Convolution {
  readonly conv: string;
  readonly norm: string;
  /** Side of its kernel in pixels; it is padded by half of that, rounded down. */
  readonly kernelPx: number;
  readonly stride: number;
}

/**
 * A family of residual networks of bottlenecks, four stages of them: `layer1.0.conv1`,
 * `layer1.0.bn1`, …, `layer1.0.downsample.0`, `layer1.0.downsample.1`.
 */
export interface ResnetFamily extends Omit<ResnetSettings, "heads"> {
  /** Its name for people and records: `torchvision ResNet`. */
  readonly name: string;
  /** A tensor that every file of this family has, and no file of another. */
  readonly mark: string;
  /** Stands before the names of all its tensors. */
  readonly prefix: string;
  /** Convolutions before the first stage, the last of which is as wide as the stages begin. */
  readonly stem: readonly Convolution[];
  /**
   * How maps are halved. `stride`: the stem ends in a 3 × 3 maximum, and a stage's first 3 × 3
   * convolution strides. `average`: every one of them is a 2 × 2 average.
   */
  readonly halving: "stride" | "average";
  /** What becomes of the last stage's map: its mean, or what attention with the mean as query reads. */
  readonly pooling: "average" | "attention";
  /** An attention pool has as many heads as are this wide, unless the metadata say `heads`. */
  readonly headWidth: number;
  /** Tensors that this project has no use for: the text tower, classification heads, counters. */
  readonly ignored: RegExp;
}

/** What OpenAI's and open_clip's files hold beside the image tower. */
export const CLIP_TEXT_TOWER =
  /^(text\.|text_decoder\.|transformer\.|token_embedding\.|positional_embedding$|ln_final\.|text_projection$|logit_scale$|logit_bias$|input_resolution$|context_length$|vocab_size$|attn_mask$)/;

/** OpenAI's pixel normalisation, which most CLIPs share; by channel, on values in [0, 1]. */
export const CLIP_PIXELS: Pick<VitSettings, "pixelMean" | "pixelStd"> = {
  pixelMean: [.48145466, .4578275, .40821073],
  pixelStd: [.26862954, .26130258, .27577711],
};

/** Whose CLIPs there are under the same names, for the question. */
export const CLIP_CHOICES =
  "--family openai for OpenAI's own; of open_clip's, names with -quickgelu have quick_gelu, others (LAION, DataComp) gelu; " +
  `most have mean ${CLIP_PIXELS.pixelMean} and std ${CLIP_PIXELS.pixelStd}, some .5`;

/** What torchvision's networks are trained with: ImageNet's own; by channel, on values in [0, 1]. */
export const IMAGENET_PIXELS: Pick<VitSettings, "pixelMean" | "pixelStd"> = {
  pixelMean: [.485, .456, .406],
  pixelStd: [.229, .224, .225],
};

/** Half the range, by which augreg's networks and SigLIP are trained. */
export const HALF_PIXELS: Pick<VitSettings, "pixelMean" | "pixelStd"> = {
  pixelMean: [.5, .5, .5],
  pixelStd: [.5, .5, .5],
};

/** The two tensors of a layer: `affine("fc1", "mlp.c_fc")` names its weight and its bias. */
export function affine(name: string, file: string): Record<string, string> {
  return { [`${name}.weight`]: `${file}.weight`, [`${name}.bias`]: `${file}.bias` };
}
