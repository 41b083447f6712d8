// Loaded into the processes of the embedded stack before their own program: should the one that watches over them be
// killed, they stop in good order instead of going on alone.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();

export {};
