Signals.prepare()
await Program.main()
