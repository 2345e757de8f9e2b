/**
 * Comma-separated values (RFC 4180): records of fields, with the line that each begins on.
 */

/** One record. */
export interface CsvRecord {
  /** From 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** Records, or the line with what is wrong there. Empty lines are left out. */
export function parseCsv(
  text: string,
): readonly CsvRecord[] | { readonly line: number; readonly problem: string } {
  const records: CsvRecord[] = [];
  let line = 1;
  let begin = 1;
  let fields: string[] = [];
  // A field, and the comma, line end or end of text behind it.
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  // Some programs begin a file with a byte order mark.
  field.lastIndex = text.startsWith('\uFEFF') ? 1 : 0;
  while (field.lastIndex < text.length || fields.length > 0) {
    const match = field.exec(text);
    if (match === null)
      return {
        line,
        problem: 'a quote stands inside of a field, or is not closed; in a quoted field it is ""',
      };
    const [whole, quoted, plain = '', end] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += whole.split('\n').length - 1;
    if (end === ',') continue;
    if (fields.length > 1 || fields[0] !== '') records.push({ line: begin, fields });
    fields = [];
    begin = line;
    if (end === '') break;
  }
  return records;
}
