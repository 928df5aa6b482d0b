/**
 * Finds a network among a file's tensors, whatever stands before its names.
 * @module
 */
import { listed, quoted, UserError } from "../../io/errors.ts";
import { FAMILIES, RESNET_FAMILIES } from "./index.ts";

/** All marks, in the order in which a file's names are held against them. */
const MARKS: readonly string[] = [...FAMILIES, ...RESNET_FAMILIES].map(({ mark }) => mark);

/**
 * What stands before a network's names in a file: nothing, or what it was saved under
 * (`state_dict.module.`). Nothing too where there is no network.
 * @throws {UserError} where there are several networks
 */
export function networkPrefix(path: string, names: Iterable<string>): string {
  const all = [...names];
  if (MARKS.some((mark) => all.includes(mark))) return "";
  for (const mark of MARKS) {
    const prefixes = all.filter((name) => name.endsWith(`.${mark}`))
      .map((name) => name.slice(0, -mark.length));
    if (prefixes.length > 1) {
      throw new UserError(
        "damaged",
        `Cannot read ${path}: expected one network, found ${prefixes.length}, under ${
          prefixes.slice(0, 2).map(quoted).join(" and ")
        }; save one of them alone`,
      );
    }
    if (prefixes.length === 1) return prefixes[0]!;
  }
  return "";
}

/** Tensors whose names begin so, by what comes then; all of them where nothing stands before. */
export function withoutPrefix<T>(
  tensors: ReadonlyMap<string, T>,
  prefix: string,
): ReadonlyMap<string, T> {
  if (prefix === "") return tensors;
  return new Map(
    [...tensors].filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

/** The error of a file without any network that is known. */
export function noNetwork(path: string, names: Iterable<string>): UserError {
  const list = (families: readonly { name: string }[]) =>
    families.map(({ name }) => name).join(", ");
  const all = [...names];
  const found = listed(all) || "no tensor";
  return new UserError(
    "damaged",
    `Cannot read ${path}: expected a vision transformer named as ${
      list(FAMILIES)
    }, or a ResNet named as ${list(RESNET_FAMILIES)}; found ${found}`,
  );
}
