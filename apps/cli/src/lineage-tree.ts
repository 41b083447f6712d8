import type { Lineage } from '@trainyard/contracts';

/**
 * The objects above (or below) the root as an indented tree, each line with the role in what it is drawn under. What
 * is reached a second time is named again without its branches.
 */
export function lineageTree({ root, nodes, edges }: Lineage, direction: 'up' | 'down'): string[] {
  const labels = new Map(nodes.map((node) => [`${node.type}:${node.id}`, node]));
  const drawn = new Set<string>();
  const name = (key: string): string => {
    const node = labels.get(key);
    const until = node?.details.collected_until;
    return `${node?.label ?? key}${until ? `, collected until ${until}` : ''}  [${key}]`;
  };
  const draw = (key: string, head: string, indent: string): string[] => {
    const next = edges
      .filter(({ from, to }) => (direction === 'up' ? to : from) === key)
      .map(({ from, to, role }) => ({ role, key: direction === 'up' ? from : to }));
    const again = drawn.has(key) && next.length > 0;
    drawn.add(key);
    const below = again ? [] : next;
    return [
      `${head}${name(key)}${again ? ' (see above)' : ''}`,
      ...below.flatMap((child, i) => {
        const last = i === below.length - 1;
        return draw(
          child.key,
          `${indent}${last ? '└─' : '├─'} ${child.role}: `,
          `${indent}${last ? '   ' : '│  '}`,
        );
      }),
    ];
  };
  return draw(root, '', '');
}
