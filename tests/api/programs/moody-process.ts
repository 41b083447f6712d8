import type { FromProcess, ToProcess } from '../../../apps/api/src/inference/messages.ts';

// Stands where the inference process does, and answers, hangs or dies as the text asks.
process.on('message', (message: ToProcess) => {
  if (message.type !== 'task' || message.task.kind !== 'complete') return;
  const { id, task } = message;
  const send = (reply: FromProcess): void => {
    process.send?.(reply);
  };
  if (task.prompt === 'die') process.exit(3);
  if (task.prompt === 'hang') {
    send({ type: 'text', id, text: 'before' });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
  send({ type: 'answer', id, answer: { text: `${task.prompt} by ${process.pid}` } });
});
process.on('disconnect', () => process.exit());
