export interface Delivery {
  runId: number;
  epoch: number;
}

/** The queue: keeps what it was given until it loses it, and hands it out in any order, perhaps more than once. */
export class DeliveryQueue {
  waiting: Delivery[] = [];

  /** As BullMQ with a job id of run and epoch: once while it waits. */
  enqueue(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) if (!this.has(delivery)) this.waiting.push(delivery);
  }

  take(index: number): Delivery | undefined {
    return this.waiting.splice(index % Math.max(1, this.waiting.length), 1)[0];
  }

  duplicate(index: number): void {
    const delivery = this.waiting[index % Math.max(1, this.waiting.length)];
    if (delivery) this.waiting.push(delivery);
  }

  flush(): void {
    this.waiting = [];
  }

  private has({ runId, epoch }: Delivery): boolean {
    return this.waiting.some((waiting) => waiting.runId === runId && waiting.epoch === epoch);
  }
}
