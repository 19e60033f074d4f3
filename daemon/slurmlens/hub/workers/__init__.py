"""Several hubs on one database: who is there, who leads, and what each tells the others."""
