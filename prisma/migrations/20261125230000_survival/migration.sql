-- Damaged and retired checkpoints, and work that is done once an interval whoever does it.
ALTER TABLE "checkpoints" ADD COLUMN "damaged_at" TIMESTAMPTZ(3),
ADD COLUMN "retired_at" TIMESTAMPTZ(3),
ADD COLUMN "deleted_at" TIMESTAMPTZ(3);

CREATE INDEX "checkpoints_blobs_idx" ON "checkpoints" USING GIN ("blobs");

CREATE INDEX "checkpoints_retired_at_idx" ON "checkpoints"("retired_at");

CREATE TABLE "chores" (
    "name" TEXT NOT NULL,
    "begun_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "chores_pkey" PRIMARY KEY ("name")
);
