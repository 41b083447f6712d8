export { openQueue, type QueueOptions } from './open-queue.ts';
export type { Consumer, Delivery, Handler, Outcome, Queue } from './queue.ts';
