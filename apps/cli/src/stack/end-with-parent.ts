// Loaded into the processes of the embedded stack before their own program, and by Node's inherited arguments into the
// ones that they fork: should the process that watches over one be killed, it stops in good order instead of going on
// alone. The channel stays referenced: for a forked process it is all that keeps it waiting for work.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));

export {};
