// Preloaded into programs: a trainer dies of a run whose seed is FATAL_SEED, as of a fault in native code.
process.on('message', ({ type, job }) => {
  if (type !== 'start' || job.seed !== Number(process.env.FATAL_SEED)) return;
  console.error('The last words of a trainer.');
  setTimeout(() => process.kill(process.pid, 'SIGSEGV'), 50);
});
