// A peer on a serial line without framing: DTLS by pion/dtls, one read of the device is one packet, one packet one write.
//
//	pion_peer server|client DEVICE psk IDENTITY KEY
//	pion_peer server|client DEVICE cert CHAIN.pem KEY.pem CA.pem
//
// The server answers GET /a with "Hello World" (RFC 7252 §5.8.1), anything else with 4.04; the client asks for /a with
// Message ID 1234. Both tell what happens as one JSON object a line. Knows of CoAP no more than that takes.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/pion/dtls/v2"
)

const (
	mtu             = 1024
	bufferBytes     = 2048
	handshakeWithin = 30 * time.Second
	answerWithin    = 20 * time.Second
)

func main() {
	if len(os.Args) < 6 {
		fail(errors.New("pion_peer server|client DEVICE psk IDENTITY KEY | cert CHAIN KEY CA"))
	}
	role, device := os.Args[1], os.Args[2]
	config, err := configOf(os.Args[3:])
	if err != nil {
		fail(err)
	}
	// O_NONBLOCK lets reads have deadlines.
	file, err := os.OpenFile(device, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		fail(err)
	}
	line := &rawLine{File: file}
	tell("ready", nil)
	if role == "server" {
		err = serve(line, config)
	} else {
		err = ask(line, config)
	}
	if err != nil {
		fail(err)
	}
}

func configOf(args []string) (*dtls.Config, error) {
	config := &dtls.Config{
		MTU:                  mtu,
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		ConnectContextMaker: func() (context.Context, func()) {
			return context.WithTimeout(context.Background(), handshakeWithin)
		},
	}
	switch {
	case args[0] == "psk" && len(args) == 3:
		key := []byte(args[2])
		config.PSK = func([]byte) ([]byte, error) { return key, nil }
		config.PSKIdentityHint = []byte(args[1])
		config.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8}
	case args[0] == "cert" && len(args) == 4:
		certificate, err := tls.LoadX509KeyPair(args[1], args[2])
		if err != nil {
			return nil, err
		}
		authority, err := os.ReadFile(args[3])
		if err != nil {
			return nil, err
		}
		anchors := x509.NewCertPool()
		if !anchors.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("%s holds no certificate", args[3])
		}
		config.Certificates = []tls.Certificate{certificate}
		config.ClientAuth = dtls.RequireAndVerifyClientCert
		config.ClientCAs = anchors
		config.RootCAs = anchors
		config.ServerName = "localhost"
		config.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8}
	default:
		return nil, fmt.Errorf("credentials are not understood: %v", args)
	}
	return config, nil
}

// rawLine is a device as a connection of packets, with no framing: what a read brings is taken for one packet.
type rawLine struct{ *os.File }

func (line *rawLine) Read(packet []byte) (int, error) {
	buffer := make([]byte, bufferBytes)
	length, err := line.File.Read(buffer)
	if err != nil {
		return 0, err
	}
	return copy(packet, buffer[:length]), nil
}

func (line *rawLine) LocalAddr() net.Addr  { return &net.UDPAddr{IP: net.IPv4zero} }
func (line *rawLine) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4zero} }

func serve(line *rawLine, config *dtls.Config) error {
	connection, err := dtls.Server(line, config)
	if err != nil {
		return err
	}
	tellConnected(connection)
	packet := make([]byte, bufferBytes)
	for {
		length, err := connection.Read(packet)
		if err != nil {
			// The client has taken its leave.
			tell("closed", nil)
			return nil
		}
		request := packet[:length]
		answer := answerTo(request)
		if answer == nil {
			continue
		}
		if _, err := connection.Write(answer); err != nil {
			return err
		}
		tell("answered", map[string]any{"code": codeText(answer[1])})
	}
}

func ask(line *rawLine, config *dtls.Config) error {
	connection, err := dtls.Client(line, config)
	if err != nil {
		return err
	}
	tellConnected(connection)
	// Confirmable GET, Message ID 1234, no token, Uri-Path "a" (RFC 7252 §3).
	request := []byte{0x40, 0x01, 1234 >> 8, 1234 & 0xff, 0xb1, 'a'}
	if _, err := connection.Write(request); err != nil {
		return err
	}
	if err := connection.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	packet := make([]byte, bufferBytes)
	length, err := connection.Read(packet)
	if err != nil {
		return err
	}
	_, payload, err := parts(packet[:length])
	if err != nil {
		return err
	}
	tell("response", map[string]any{
		"type": packet[0] >> 4 & 3, "code": codeText(packet[1]), "text": string(payload),
		"messageId": int(packet[2])<<8 | int(packet[3]),
	})
	return connection.Close()
}

// answerTo returns the piggybacked answer to a confirmable request, or nil for anything else.
func answerTo(message []byte) []byte {
	path, _, err := parts(message)
	if err != nil || message[0]>>4&3 != 0 || message[1] == 0 {
		return nil
	}
	tokenLength := int(message[0] & 15)
	// Acknowledgement with the Message ID and token of the request.
	answer := append([]byte{0x60 | message[0]&15, 0x84, message[2], message[3]}, message[4:4+tokenLength]...)
	if message[1] == 1 && path == "/a" {
		answer[1] = 0x45
		answer = append(append(answer, 0xff), "Hello World"...)
	}
	return answer
}

// parts returns the Uri-Path and the payload of a message (RFC 7252 §3).
func parts(message []byte) (path string, payload []byte, err error) {
	malformed := errors.New("malformed message")
	if len(message) < 4 || message[0]>>6 != 1 || len(message) < 4+int(message[0]&15) {
		return "", nil, malformed
	}
	rest := message[4+int(message[0]&15):]
	number := 0
	for len(rest) > 0 {
		if rest[0] == 0xff {
			return path, rest[1:], nil
		}
		delta, length := int(rest[0]>>4), int(rest[0]&15)
		rest = rest[1:]
		for _, value := range []*int{&delta, &length} {
			extra := 0
			switch *value {
			case 13:
				extra = 1
			case 14:
				extra = 2
			case 15:
				return "", nil, malformed
			}
			if len(rest) < extra {
				return "", nil, malformed
			}
			if extra == 1 {
				*value = 13 + int(rest[0])
			} else if extra == 2 {
				*value = 269 + int(rest[0])<<8 + int(rest[1])
			}
			rest = rest[extra:]
		}
		if len(rest) < length {
			return "", nil, malformed
		}
		number += delta
		if number == 11 {
			path += "/" + string(rest[:length])
		}
		rest = rest[length:]
	}
	return path, nil, nil
}

func codeText(code byte) string { return fmt.Sprintf("%d.%02d", code>>5, code&31) }

func tellConnected(connection *dtls.Conn) {
	state := connection.ConnectionState()
	fields := map[string]any{"identityHint": string(state.IdentityHint)}
	if len(state.PeerCertificates) > 0 {
		if certificate, err := x509.ParseCertificate(state.PeerCertificates[0]); err == nil {
			fields["subject"] = certificate.Subject.CommonName
			fields["serial"] = certificate.SerialNumber.Text(16)
		}
	}
	tell("connected", fields)
}

func tell(event string, fields map[string]any) {
	// The event stands first, as in what the other peers tell.
	text := fmt.Sprintf(`{"event": %q`, event)
	if len(fields) > 0 {
		more, _ := json.Marshal(fields)
		text += ", " + string(more[1:len(more)-1])
	}
	fmt.Println(text + "}")
}

func fail(err error) {
	tell("error", map[string]any{"text": err.Error()})
	os.Exit(1)
}
