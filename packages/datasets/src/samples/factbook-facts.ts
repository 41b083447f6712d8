import type { Profile } from './factbook-profiles.ts';
import { sentenceCase } from './phrasing.ts';

export const RELATIONS = [
  'capital',
  'region',
  'currency',
  'currency_code',
  'internet_code',
  'dialling_code',
  'adjective',
  'inhabitant',
  'language',
  'independence_year',
  'independence_from',
  'highest_point',
] as const;

export type Relation = (typeof RELATIONS)[number];

/** What a relation says of a country: the usual answer first, then others that are as right. */
export interface Fact {
  relation: Relation;
  subject: string;
  answers: string[];
}

type Extract = (text: Profile['text']) => string[] | undefined;

const matched = (text: string | undefined, pattern: RegExp): string[] | undefined => {
  const match = text === undefined ? undefined : pattern.exec(text)?.[1];
  return match === undefined ? undefined : [match.trim()];
};

const metropolitan = (text: Profile['text'], label: string): string | undefined =>
  text('Geography', label) ?? text('Geography', label, 'metropolitan France');

const REGION =
  /^((?:[A-Z][a-z]+(?:-[a-z]+)? ){0,2}(?:Africa|Asia|Europe|America|Oceania|Caribbean|Middle East))(?=[,;]|$)/;

/** Each reads one field of a profile, and gives nothing where the field does not hold one clear answer. */
const EXTRACT: Record<Relation, Extract> = {
  /** "Kyiv (Kiev)" has two names; several capitals, or a note on the status, have none. */
  capital: (text) => {
    const field = text('Government', 'Capital', 'name')?.replace(/ in (Romanian|Russian)/g, '');
    if (!field || /: note|(administrative|legislative) capital\)/.test(field)) return undefined;
    const name = field.split(/[;(]/)[0]!.trim();
    const others = /\(([A-Z][^);]*)\)/.exec(field)?.[1]?.split(/[,/] ?/) ?? [];
    return [name, ...(name.includes(',') ? [name.split(',')[0]!] : []), ...others];
  },
  region: (text) => {
    const field = metropolitan(text, 'Location')?.replace(/^interior /, '');
    const region = matched(field && sentenceCase(field), REGION);
    return region && /^(Caribbean|Middle East)$/.test(region[0]!) ? [`the ${region[0]}`, ...region] : region;
  },
  currency: (text) => {
    const field = text('Economy', 'Exchange rates');
    if (field && /^the US dollar (is used|became)/.test(field)) return ['US dollars'];
    return matched(field, /^([A-Za-z' ]+?) \([A-Z]{2,3}\)/);
  },
  currency_code: (text) => {
    const field = text('Economy', 'Exchange rates');
    if (field && /^the US dollar (is used|became)/.test(field)) return ['USD'];
    return matched(field, /^[A-Za-z' ]+ \(([A-Z]{3})\)/);
  },
  internet_code: (text) =>
    matched(
      text('Communications', 'Internet country code'),
      /^(?:metropolitan France - )?(\.[a-z]{2})\b(?!.*same as)/,
    ),
  dialling_code: (text) =>
    matched(text('Communications', 'Telephone system', 'international'), /^country code - (\d+)(?=;|,|$)/),
  adjective: (text) => alternatives(text('People and Society', 'Nationality', 'adjective')),
  inhabitant: (text) =>
    alternatives(text('People and Society', 'Nationality', 'noun')?.replace(/ \(singular and plural\)/, '')),
  /** Only where there is exactly one official language, or only one is named. */
  language: (text) => {
    const field = text('People and Society', 'Languages');
    if (field?.match(/\(official/g)?.length !== 1) return undefined;
    return matched(field, /^([A-Z][a-z]+) (?:[\d.]+% )?\(official/);
  },
  independence_year: (text) =>
    matched(text('Government', 'Independence'), /^\d{1,2} [A-Z][a-z]+ (\d{4}) \(from [^)]*\)$/),
  independence_from: (text) => {
    const from = matched(
      text('Government', 'Independence'),
      /^\d{1,2} [A-Z][a-z]+ \d{4} \(from ([^);,]+)\)$/,
    );
    if (from && /protectorate|trusteeship|mandate|administ/.test(from[0]!)) return undefined;
    return from?.[0] === 'the UK' ? ['the UK', 'UK', 'the United Kingdom', 'United Kingdom'] : from;
  },
  highest_point: (text) =>
    matched(
      text('Geography', 'Elevation extremes', 'highest point'),
      /^(?!unnamed|sea level)([A-Z][A-Za-z' -]+?) (?:\([^)]*\) )?[\d,.]+ m\b/,
    ),
};

/** "Algerian(s)", "Lao or Laotian" -> the words; nothing where they are of several peoples. */
function alternatives(field: string | undefined): string[] | undefined {
  if (!field || /[,;/]|singular|US |\((?!s\))/.test(field)) return undefined;
  return field.split(' or ').map((word) => word.replace(/\(s\)$/, ''));
}

const MOST_WORDS = 3;

/** The facts of a country whose answers are short and clear. */
export function factsOf({ name, text }: Profile): Fact[] {
  return RELATIONS.flatMap((relation) => {
    const answers = EXTRACT[relation](text)?.filter((answer) => answer.split(' ').length <= MOST_WORDS);
    return answers?.[0] ? [{ relation, subject: name, answers: [...new Set(answers)] }] : [];
  });
}
