/**
 * What a checkpoint holds, in lines for people: what all detectors' have in common.
 * @module
 */

/**
 * What stands in a checkpoint's metadata; objects, which stand there as JSON, a line a field.
 * @param without names that are told of elsewhere
 */
export function metadataRows(
  metadata: Readonly<Record<string, string>>,
  without: readonly string[] = [],
): string[] {
  return Object.entries(metadata).filter(([name]) => !without.includes(name))
    .flatMap(([name, value]) => fieldRows(name, value));
}

function fieldRows(name: string, text: string): string[] {
  const value = parsed(text);
  if (!isObject(value)) return [row(name, text)];
  return [
    `  ${name}`,
    ...Object.entries(value).flatMap(([field, held]) =>
      Array.isArray(held) && held.every(isObject)
        ? held.map((one) => `  ${row(field, shown(one))}`)
        : [`  ${row(field, shown(held))}`]
    ),
  ];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(", ");
  if (isObject(value)) {
    return Object.entries(value).map(([name, held]) => `${name} ${shown(held)}`).join(", ");
  }
  return typeof value === "number" ? `${Number(value.toPrecision(4))}` : `${value}`;
}

/** A name and a value, a line. */
export function row(name: string, value: string | number): string {
  return `  ${name.padEnd(24)}${value}`;
}
