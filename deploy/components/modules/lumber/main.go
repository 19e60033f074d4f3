// A Beats v2 receiver around Elastic's own server code. Every event that arrives is a line of the output file, byte for
// byte as it was sent but for white space; a batch is acknowledged after its lines are on the disk (fsync), so what was
// acknowledged survives SIGKILL. A line that SIGKILL tore was not acknowledged: the next start cuts it off.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/elastic/go-lumber/lj"
	v2 "github.com/elastic/go-lumber/server/v2"
)

var (
	listen      = flag.String("listen", "127.0.0.1:0", "address")
	output      = flag.String("output", "events.ndjson", "file to append events to")
	certificate = flag.String("certificate", "", "PEM file; with it TLS is spoken")
	key         = flag.String("key", "", "PEM file of the certificate's key")
	clientCA    = flag.String("client-ca", "", "PEM file; with it clients must show a certificate of this authority")
	timeout     = flag.Duration("timeout", 30*time.Second, "longest wait for the rest of a window")
	keepalive   = flag.Duration("keepalive", 3*time.Second, "interval of the acknowledgements of 0 while a batch waits")
	delay       = flag.Duration("delay", 0, "wait before each batch is stored and acknowledged")
	partial     = flag.Bool("partial", false, "acknowledge the first half of each window before the whole")
)

func main() {
	flag.Parse()
	file, err := openOutput(*output)
	check(err)
	listener, err := net.Listen("tcp", *listen)
	check(err)
	address := listener.Addr()
	if *certificate != "" {
		listener = tls.NewListener(listener, tlsConfig())
	}
	if *partial {
		listener = halvingListener{listener}
	}
	server, err := v2.NewWithListener(listener,
		v2.Timeout(*timeout), v2.Keepalive(*keepalive), v2.JSONDecoder(keepBytes))
	check(err)
	fmt.Fprintln(os.Stderr, "ready", address)
	for batch := range server.ReceiveChan() {
		time.Sleep(*delay)
		store(file, batch)
		batch.ACK()
	}
}

// keepBytes takes the event as its sender wrote it: decoding into numbers would change large ones.
func keepBytes(payload []byte, event interface{}) error {
	var line bytes.Buffer
	if err := json.Compact(&line, payload); err != nil {
		return err
	}
	line.WriteByte('\n')
	*event.(*interface{}) = line.Bytes()
	return nil
}

// store ends the program when the disk does not take the batch: then nothing is acknowledged.
func store(file *os.File, batch *lj.Batch) {
	var lines bytes.Buffer
	for _, event := range batch.Events {
		lines.Write(event.([]byte))
	}
	_, err := file.Write(lines.Bytes())
	check(err)
	check(file.Sync())
}

// openOutput opens for appending behind the last whole line.
func openOutput(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	block := make([]byte, 64*1024)
	for end > 0 {
		begin := max(0, end-int64(len(block)))
		count, err := file.ReadAt(block[:end-begin], begin)
		if err != nil {
			return nil, err
		}
		if last := bytes.LastIndexByte(block[:count], '\n'); last >= 0 {
			end = begin + int64(last) + 1
			break
		}
		end = begin
	}
	return file, file.Truncate(end)
}

func tlsConfig() *tls.Config {
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	check(err)
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if *clientCA != "" {
		text, err := os.ReadFile(*clientCA)
		check(err)
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(text) {
			check(errors.New(*clientCA + " holds no certificate"))
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

// halvingListener makes the partial acknowledgements that the library itself never sends.
type halvingListener struct{ net.Listener }

func (l halvingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return halvingConn{conn}, nil
}

type halvingConn struct{ net.Conn }

// Write is given one acknowledgement at a time: version, type, number.
func (c halvingConn) Write(frame []byte) (int, error) {
	if count := binary.BigEndian.Uint32(frame[2:]); count > 1 {
		half := binary.BigEndian.AppendUint32(append([]byte{}, frame[:2]...), count/2)
		if _, err := c.Conn.Write(half); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(frame)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
