/**
 * What graphs are made of: values, operators, and what is known of them before they run.
 * @module
 */

/** Element types of ONNX tensors, with the numbers of `TensorProto.DataType`. */
export const ELEMENT_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
} as const;

/** Name of an ONNX element type. */
export type ElementType = keyof typeof ELEMENT_TYPES;

/** A tensor in the graph: its name. */
export type Value = string & { readonly __value: unique symbol };

/** An operator's attribute; integral numbers are written as `int`, others as `float`. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** A size, or the name of a size that is known only when the model runs. */
export type Dimension = number | string;

/** An operator in the graph. */
export interface GraphNode {
  /** The operator. */
  readonly opType: string;
  /** Operator set; empty for ONNX's own. */
  readonly domain: string;
  /** Those that are left out are `undefined`. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** What is known of a value. */
export interface Facts {
  /** Left out where it is not known. */
  readonly type?: ElementType | undefined;
  /** Left out where not even the number of axes is known. */
  readonly shape?: readonly Dimension[] | undefined;
  /** The numbers of an int64 constant, and what `Shape` makes of a shape. */
  readonly contents?: readonly Dimension[] | undefined;
}

/** Looks up what is known of a value. */
export type FactsOf = (value: Value) => Facts;
