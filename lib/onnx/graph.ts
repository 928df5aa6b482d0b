/**
 * Builds ONNX models: values in, values out, one call per operator.
 * @module
 */
import { ModelProto } from "./proto.ts";
import { inferFacts } from "./shapes.ts";
import {
  type Attribute,
  type Dimension,
  ELEMENT_TYPES,
  type ElementType,
  type Facts,
  type GraphNode,
  type Value,
} from "./values.ts";

/** Where an initializer's bytes lie, in a file beside the model. */
export interface ExternalData {
  /** File name, relative to the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** How {@linkcode GraphBuilder.op} is called where the defaults do not fit. */
export interface OperatorOptions {
  /** Operator set; ONNX's own where it is left out. */
  readonly domain?: "com.microsoft";
  /** A name that errors and profiles show. */
  readonly name?: string;
}

const OPSET_VERSION = 20;
const IR_VERSION = 10;

const ATTRIBUTE_FLOAT = 1, ATTRIBUTE_INT = 2, ATTRIBUTE_STRING = 3, ATTRIBUTE_INTS = 7;
const DATA_LOCATION_EXTERNAL = 1;

/** Bytes of a constant up to which its numbers are kept to compute sizes with. */
const LONGEST_CONTENTS = 256;

/** A model under construction. Values may be used only in the builder that made them. */
export class GraphBuilder {
  readonly #nodes: GraphNode[] = [];
  readonly #facts = new Map<Value, Facts>();
  readonly #producers = new Map<Value, GraphNode>();
  readonly #initializers: (Record<string, unknown> & { readonly name: Value })[] = [];
  readonly #inputs: unknown[] = [];
  readonly #outputs: unknown[] = [];
  readonly #scalars = new Map<string, Value>();
  /** Names of the model's outputs by the operators' outputs that they are. */
  readonly #outputNames = new Map<Value, string>();
  #count = 0;

  #fresh(hint: string): Value {
    return `${hint}_${this.#count++}` as Value;
  }

  /** Declares a model input. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    this.#inputs.push(valueInfo(name, type, shape));
    this.#facts.set(name as Value, { type, shape });
    return name as Value;
  }

  /** Declares a value to be a model output under a name of its own. */
  output(name: string, value: Value, type: ElementType, shape: readonly Dimension[]): void {
    // an operator's own output takes the name; anything else is copied
    const isFree = this.#producers.has(value) && !this.#outputNames.has(value);
    this.#outputNames.set(isFree ? value : this.op("Identity", [value]), name);
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /** A float32 constant. Scalars of one value are shared. */
  float(values: number | readonly number[] | Float32Array, shape?: readonly number[]): Value {
    if (typeof values === "number") return this.#scalar("float32", new Float32Array([values]));
    const data = values instanceof Float32Array ? values : Float32Array.from(values);
    return this.constant("float32", data, shape ?? [data.length]);
  }

  /** An int64 constant: a shape, axes or indices. */
  int(values: number | readonly number[]): Value {
    if (typeof values === "number") {
      return this.#scalar("int64", BigInt64Array.of(BigInt(values)));
    }
    return this.constant("int64", BigInt64Array.from(values, BigInt), [values.length]);
  }

  #scalar(type: ElementType, data: Float32Array | BigInt64Array): Value {
    const key = `${type} ${data[0]}`;
    let value = this.#scalars.get(key);
    if (!value) this.#scalars.set(key, value = this.constant(type, data, []));
    return value;
  }

  /** A constant whose bytes are part of the model. */
  constant(type: ElementType, data: ArrayBufferView, shape: readonly number[]): Value {
    const name = this.#fresh("constant");
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.push({ name, dims: shape, dataType: ELEMENT_TYPES[type], rawData });
    // shapes, axes, pads and scales: what says how large other values are
    const isList = shape.length < 2 && data.byteLength <= LONGEST_CONTENTS;
    const contents = isList && (data instanceof BigInt64Array || data instanceof Float32Array)
      ? Array.from<number | bigint, number>(data, Number)
      : undefined;
    this.#facts.set(name, { type, shape, contents });
    return name;
  }

  /** A constant whose bytes stay in another file, where ONNX Runtime reads them. */
  external(name: string, type: ElementType, shape: readonly number[], data: ExternalData): Value {
    const externalData = Object.entries(data).map(([key, value]) => ({ key, value: `${value}` }));
    this.#initializers.push({
      name: name as Value,
      dims: shape,
      dataType: ELEMENT_TYPES[type],
      dataLocation: DATA_LOCATION_EXTERNAL,
      externalData,
    });
    this.#facts.set(name as Value, { type, shape });
    return name as Value;
  }

  /** Applies an operator with one output. An input that the operator leaves out is `undefined`. */
  op(
    type: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, Attribute>> = {},
    options: OperatorOptions = {},
  ): Value {
    return this.ops(type, 1, inputs, attributes, options)[0]!;
  }

  /** Applies an operator with several outputs. */
  ops(
    type: string,
    outputCount: number,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, Attribute>> = {},
    { domain, name }: OperatorOptions = {},
  ): Value[] {
    const outputs = Array.from({ length: outputCount }, () => this.#fresh(name ?? type));
    this.#add({ opType: type, domain: domain ?? "", inputs, outputs, attributes });
    return outputs;
  }

  /** Has an operator give outputs that it was not asked for, `count` in all. */
  moreOutputs(node: GraphNode, count: number): readonly Value[] {
    if (node.outputs.length >= count) return node.outputs;
    const more = Array.from(
      { length: count - node.outputs.length },
      () => this.#fresh(node.opType),
    );
    const outputs = [...node.outputs, ...more];
    this.#add({ ...node, outputs }, this.#nodes.indexOf(node));
    return outputs;
  }

  #add(node: GraphNode, place: number = this.#nodes.length): void {
    this.#nodes[place] = node;
    const facts = inferFacts(node, (value) => this.facts(value));
    node.outputs.forEach((output, i) => {
      this.#producers.set(output, node);
      this.#facts.set(output, facts[i] ?? {});
    });
  }

  /** The operators so far, each after those that it reads. */
  get nodes(): readonly GraphNode[] {
    return this.#nodes;
  }

  /** The operator that a value comes out of; none of inputs and constants. */
  producer(value: Value | undefined): GraphNode | undefined {
    return value === undefined ? undefined : this.#producers.get(value);
  }

  /** What is known of a value before the model runs. */
  facts(value: Value): Facts {
    return this.#facts.get(value) ?? {};
  }

  /** What the model's outputs hang on: gradients leave over what nobody reads. */
  #needed(): { nodes: readonly GraphNode[]; values: ReadonlySet<Value> } {
    const values = new Set(this.#outputNames.keys());
    const nodes = this.#nodes.toReversed().filter(({ inputs, outputs }) => {
      if (!outputs.some((output) => values.has(output))) return false;
      for (const input of inputs) if (input !== undefined) values.add(input);
      return true;
    });
    return { nodes: nodes.reverse(), values };
  }

  /** The model's bytes. The same calls give the same bytes. */
  build(): Uint8Array<ArrayBuffer> {
    const named = (value: Value | undefined) =>
      value === undefined ? "" : this.#outputNames.get(value) ?? value;
    const { nodes, values } = this.#needed();
    const message = ModelProto.fromObject({
      irVersion: IR_VERSION,
      producerName: "rine",
      opsetImport: [{ domain: "", version: OPSET_VERSION }, {
        domain: "com.microsoft",
        version: 1,
      }],
      graph: {
        name: "rine",
        node: nodes.map(({ opType, domain, inputs, outputs, attributes }) => ({
          opType,
          name: outputs[0]!,
          domain,
          input: inputs.map(named),
          output: outputs.map(named),
          attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value)),
        })),
        initializer: this.#initializers.filter(({ name }) => values.has(name)),
        input: this.#inputs,
        output: this.#outputs,
      },
    });
    return new Uint8Array(ModelProto.encode(message).finish());
  }
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[]) {
  const dim = shape.map((size) =>
    typeof size === "number" ? { dimValue: size } : { dimParam: size }
  );
  return { name, type: { tensorType: { elemType: ELEMENT_TYPES[type], shape: { dim } } } };
}

function attributeProto(name: string, value: Attribute) {
  if (name === "to") {
    // the target type of a Cast
    return { name, type: ATTRIBUTE_INT, i: ELEMENT_TYPES[value as ElementType] };
  }
  if (typeof value === "string") {
    return { name, type: ATTRIBUTE_STRING, s: new TextEncoder().encode(value) };
  }
  if (typeof value === "number") {
    return Number.isInteger(value)
      ? { name, type: ATTRIBUTE_INT, i: value }
      : { name, type: ATTRIBUTE_FLOAT, f: value };
  }
  if ("float" in value) return { name, type: ATTRIBUTE_FLOAT, f: value.float };
  return { name, type: ATTRIBUTE_INTS, ints: value };
}
