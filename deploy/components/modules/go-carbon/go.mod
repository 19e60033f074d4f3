module gocarbon

go 1.24.0

require github.com/go-graphite/go-carbon v0.19.1
