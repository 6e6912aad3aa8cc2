# shellcheck shell=bash
# ngIRCd: TLS on a port of its own only; before registration an unknown command such as STARTTLS is not answered.

write_ngircd() {
    local address=198.18.6.10
    server $address 6667 irc "ngIRCd: no STARTTLS"
    server $address 6697 ircs "ngIRCd"
    install -o irc -m 400 "$dir/pki/imap.key" "$dir/ngircd.key"
    # Or it makes parameters of its own, which takes seconds.
    openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out "$dir/pki/dh.pem"
    cat >"$dir/ngircd.conf" <<CONF
[Global]
Name = ngircd.example
Info = lab
AdminInfo1 = lab
Listen = $address
Ports = 6667
ServerUID = irc
ServerGID = irc
MotdPhrase = lab
[Limits]
MaxConnectionsIP = 0
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
CertFile = $dir/pki/imap.chain
KeyFile = $dir/ngircd.key
DHFile = $dir/pki/dh.pem
CipherList = SECURE128:-VERS-SSL3.0
Ports = 6697
CONF
}

serve_ngircd() {
    ngircd -n -f "$dir/ngircd.conf" &
}
