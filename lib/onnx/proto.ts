/**
 * The part of ONNX's protobuf schema that the project writes, for `protobufjs`.
 * Source: https://github.com/onnx/onnx, `onnx/onnx.proto` (field names and numbers).
 * @module
 */
import protobuf from "protobufjs";

const field = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ rule: "repeated", type, id });

const schema = protobuf.Root.fromJSON({
  nested: {
    onnx: {
      nested: {
        ModelProto: {
          fields: {
            irVersion: field("int64", 1),
            producerName: field("string", 2),
            graph: field("GraphProto", 7),
            opsetImport: repeated("OperatorSetIdProto", 8),
          },
        },
        OperatorSetIdProto: { fields: { domain: field("string", 1), version: field("int64", 2) } },
        GraphProto: {
          fields: {
            node: repeated("NodeProto", 1),
            name: field("string", 2),
            initializer: repeated("TensorProto", 5),
            input: repeated("ValueInfoProto", 11),
            output: repeated("ValueInfoProto", 12),
          },
        },
        NodeProto: {
          fields: {
            input: repeated("string", 1),
            output: repeated("string", 2),
            name: field("string", 3),
            opType: field("string", 4),
            attribute: repeated("AttributeProto", 5),
            domain: field("string", 7),
          },
        },
        AttributeProto: {
          fields: {
            name: field("string", 1),
            f: field("float", 2),
            i: field("int64", 3),
            s: field("bytes", 4),
            floats: repeated("float", 7),
            ints: repeated("int64", 8),
            type: field("int32", 20),
          },
        },
        TensorProto: {
          fields: {
            dims: repeated("int64", 1),
            dataType: field("int32", 2),
            name: field("string", 8),
            rawData: field("bytes", 9),
            externalData: repeated("StringStringEntryProto", 13),
            dataLocation: field("int32", 14),
          },
        },
        StringStringEntryProto: { fields: { key: field("string", 1), value: field("string", 2) } },
        ValueInfoProto: { fields: { name: field("string", 1), type: field("TypeProto", 2) } },
        TypeProto: {
          fields: { tensorType: field("TensorTypeProto", 1) },
          nested: {
            TensorTypeProto: {
              fields: { elemType: field("int32", 1), shape: field("TensorShapeProto", 2) },
            },
          },
        },
        TensorShapeProto: {
          fields: { dim: repeated("Dimension", 1) },
          nested: {
            Dimension: {
              oneofs: { value: { oneof: ["dimValue", "dimParam"] } },
              fields: { dimValue: field("int64", 1), dimParam: field("string", 2) },
            },
          },
        },
      },
    },
  },
});

/** Encoder of a whole model. */
export const ModelProto: protobuf.Type = schema.lookupType("onnx.ModelProto");
