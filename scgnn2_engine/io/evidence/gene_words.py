"""Symbols and families of genes that the common species share, in small letters, by which a list of genes is known.

Families are what stands before the number: slc of SLC25A4, slc25a4 and Slc25a4. They cover about half of the symbols of
man, mouse, zebrafish and frog. Symbols are those without a number, or of families of one, that are expressed most or
known best in vertebrates, fly, yeast, Arabidopsis and bacteria. None is a word that cells are called by (stim, page).
"""

from __future__ import annotations

_FAMILIES = """
abca abcb abcc abcd abcg abhd acad acadm acot acox acsl acsm actl actn acvr adam adamts adamtsl adcy adgr adgra adgrb
adgrg adgrl adgrv adh adora adra agap agbl agpat akap akr aldh aldo alg alkbh alox ampd angptl ankrd ano anxa apba
apob apobec apoc apol aqp arf arfgef arhgap arhgef arid arl armc arpc arrdc asb asic asxl atad atf atg atp atxn aurk
bag bard bax bbs bcar bcl bend bhlhe birc bmp bmpr brd btbd btg cacna cacnb cacng cadm calb calm camk camkk capn capza
casp cbln cbx ccdc ccl ccna ccnb ccnd ccne ccng ccr cct cdc cdca cdh cdk cdkl cdkn cdx ceacam cebp celf celsr cenpa
cep cers ces chchd chd chmp chrm chrna chrnb chst cited ckap clcn cldn clec clic clk clptm cmtm cnn cnot cnr cntn
cntnap col cops coq coro cox cpeb cpne cpt creb creld crip crispld crtc cryab crygd csf csnk csrnp csrp cstf ctdsp
ctnna ctnnb ctnnd cul cxcl cxcr cybb cyp cyth dach dact dapk dcaf dclk dcun ddx defb dennd dhcr dhrs dhx diaph dixdc
dkk dlg dlgap dll dlx dmrt dnah dnaja dnajb dnajc dnase dnm dnmt dok dpp dpysl dsc dsg dtx dusp dync ebf edar ednra
ednrb eef efcab efna efnb egr ehd eif elavl elf elovl elp emx endou enox epb epha ephb erbb ercc erg erich esrrb etv
evx exoc exosc eya ezh fabp fads fam fbln fbxl fbxo fbxw fcgr fcrl fgf fgfr fhl fibp fkbp fmo fndc fos fosl fox foxa
foxb foxc foxd foxe foxf foxg foxi foxj foxk foxn foxo foxp foxq frmd fstl fut fxyd fzd gabra gabrb gabrg gadd galnt
gapvd gata gdf gfra ggt gimap gja gjb gjd gli glipr glis glrx gmnn gnai gnao gnas gnb gng golga got gpat gpc gpm gpr
gprc gpx gramd grhl gria grid grik grin grm gsdm gsk gsta gstm gstp gtf gtpbp gzm hacd has hba hbae hbb hbbe hbe hbg
hcn hdac hdlbp heatr her hes hey hist hla hmg hmga hmgb hmgcs hmgn hnf hnrnp hnrnpa hoxa hoxb hoxc hoxd hrh hsd hsf
hspa hspb hspd hspe htr htra hyal idh ifi ifit ifitm ifna ifnar ift igf igfals igfbp igsf ikzf il impa inhba ino inpp
ints ipo iqcf irak irf irs irx isl islr itga itgb itih itpr jade jak jph jup kat kbtbd kcn kcna kcnab kcnb kcnc kcnd
kcne kcnh kcnip kcnj kcnk kcnma kcnn kcnq kcns kcnt kcnv kctd kdelr kdm khdrbs kiaa kif kir kirrel klc klf klhdc klhl
klra klrb klrc klrd klrg klrk kmt kpna krt krtap krtcap lamb lamc lamp lamtor larp lats lce lef lgals lgr lhx lif
lilra lilrb lims lin lix lmo lnx loxl lpar lpin lrba lrfn lrg lrp lrrc lrrn lrrtm lsm ly lyn lypd lypla lyrm mad magea
mageb magi maml mapk mapkapk mapre marcks marveld matn mbd mbnl mboat mbtps mcam mcl mcm mcoln mctp mdm mecom mef megf
meis mepce mest metap mettl mfap mfn mfsd mgat mgst mical mien mitf mkx mlh mllt mmp mms mnat mob mogat morf mospd
mpeg mpp mpv mpz mrap mrgpr mrpl mrps ms msh msi msln msr mss msx mta mtch mtfr mtmr mtnr muc myb mybl mybpc myc mycn
myd myf myh myl mylk myo myod myog myom mypn myt naa nacc nanos napb nav ncam ncapd ncaph ncbp nckap ncoa ncor ndel
ndfip ndrg ndst ndufa ndufaf ndufb ndufc ndufs ndufv nedd nek nell neto neurl neurod neurog nfat nfatc nfe nfia nfib
nfix nfkb nfyb ngf nhlh nhp nipa nipal nkain nkap nkx nlgn nlrp nmnat nmur nod nol nop notch nova npas nphp nploc npr
nptx npy nr nrarp nrcam nrg nrp nrxn nsd nsmce nsun ntn ntng ntrk nucb nudt nup nupr nusap nxf nxn nxph oas oaz odf
olfm olfml olfr olig onecut oprd oprk orai orc osbp osbpl osgin osr otop otud otx ovol oxr pabpc pacs pacsin padi
pafah pag paics paip paqr pard parp parva pax pbx pcbp pcdh pcdha pcdhb pcdhga pcdhgb pcgf pck pcmtd pcna pcsk pctp
pdcd pde pdgfa pdgfb pdgfc pdgfra pdgfrb pdia pdk pdlim pdzd pdzk pdzrn pea pecam pex pfdn pfkfb pfkl pfkm pfn pgam
pgap pgd pgk phactr phb phc phex phf phlda phldb phlpp phox pias pik pim pink pip pitx piwil pkd pkib pkm pkn pkp pla
plac plag plat plau plaur plbd plcb plcd plce plcg pld plec plek plekha plekhf plekhg plekhh plin plk plod plp plpp
pls pltp plvap plxna plxnb plxnc plxnd pmaip pmel pml pmp pnma pnmt pnpla pnrc podxl pola pold pole polr pomp postn
pou ppan ppara ppard pparg ppef ppia ppib ppid ppig ppl ppm ppox ppp pqlc pramef prc prcp prdm prdx prelid prex prg
prickle prim prkaa prkab prkaca prkag prkar prkca prkcb prkcd prkce prkcg prkch prkci prkcq prkcz prkd prkg prl prmt
prnp proc prok prom prox prpf prps prr prrc prrt prrx prss prtg psap psd psen psg psip psma psmb psmc psmd psme psmf
psmg ptbp ptch pten ptger ptges ptgs pth ptk ptma ptp ptpn ptpra ptprb ptprc ptprd ptprf ptprg ptprk ptprm ptprn ptpro
ptprr ptprs ptprt ptprz ptrf pttg pum pura pus pvalb pvr pvrl pxdn pxn pygb pygl pygm rab rac rad raet ralgps ramp
ranbp rap rapgef rara rarb rarg rasa rasd rasef rasgef rasgrp rasl rassf rbbp rbfox rbl rbm rbms rbmx rbp rbpj rcan
rcor rdh recql reep relb reln ret rfc rfx rgl rgma rgs rhbdd rhbdf rhbdl rhob rhoc rhod rhof rhog rhoh rhoj rhou rhov
rims rin rnase rnaseh rnd rnf robo rock ror rora rorb rorc rpf rpgr rph rpl rplp rpn rpp rprm rps rptor rragd rras rrm
rrn rrp rsad rsph rspo rtn rtp rundc runx rusc rxfp rxra rxrb rxrg ryk ryr samd samhd sash sat satb scamp scara scarb
sccpdh scg scgb scml scn scnn scrt sdc sdf sdk sdpr sec sel selenot sema senp serf serinc serpina serpinb serpine
serpinf serpinh sertad sesn setbp setd setdb sfrp sfxn sgca sgk sgms sgpp shank shc shh shisa shox shroom siah siglec
sipa sirpa sirt skap skil slain slamf slc slco slfn slit slitrk smad smagp smap smarca smarcc smarcd smc smim smo smoc
smox smpd smpx smtn smug smurf smyd snai snap snca snd snhg snrnp snrpa snrpb snrpd sntb sntg snx soat socs sod sorbs
sorl sos sox spag sparcl spata spats spint spock spon spp spred sprr spry sptan sptb sptlc src srd srebf srgap srpk
srr srrm srsf ssbp ssr sst sstr ssx st stab stac stag stam stap stard stat stau stc steap stil stk stmn stom strip
strn stub stx stxbp sucl sulf sulfat sult sumo supt surf suv syce syde syn syne syngr synj synm synpo syt sytl tac
tacc tacr tada taf tagap tagln tal tank tardbp tas tax tbc tbl tbr tbx tbxa tcam tcea tceal tcf tcirg tcp tead tec tef
tek tenm tent terf tert tes tesk tet tfam tfap tfdp tff tfpi tgfa tgfb tgfbr tgif tgm thap thbd thbs thoc thra thrb
thumpd thy tiam tie tigit timd timm timp tipin tjp tk tle tln tlr tlx tm tmbim tmc tmco tmed tmeff tmem tmod tmpo
tmprss tmsb tmtc tmub tmx tnc tnf tnfaip tnfrsf tnfsf tnik tnk tnnc tnni tnnt tnpo tnr tnrc tns tob tollip tomm tox
tpbg tpcn tpd tph tpm tpp tpr tprg tpst tpx tra traf trak tram trank trappc trav trbc trdn treh trem trerf trf trh
trib tril trim triobp trit trmt trnp troap trp trpa trpc trpm trps trpv tsc tsen tsga tshz tsku tsnax tspan tspo tsr
tssk tstd ttbk ttc ttll ttn ttr ttyh tub tuba tubb tubg tufm tulp tusc twist twsg txn txndc txnip txnrd tyms tyrp uap
uba ubash ubb ubc ube ubl ubp ubqln ubr ubtd ubxn uchl ucp ugdh ugt ulk umod unc ung upk upp uqcr urod usp ust utp
utrn uts uty vamp vangl vapa vapb vat vav vax vcam vcan vcl vcp vdac vdr vegf vegfa vegfc vezf vgll vil vip vipr vldlr
vmn vmp vnn vps vsig vsnl vsx vtcn vtn vwa vwc wasf wbp wdfc wdr wfdc wipf wipi wisp wnk wnt wwc wwox xab xbp xcl xcr
xdh xiap xkr xlr xpa xpc xpnpep xpo xrcc xrn xylt yap ybx yipf yme ypel ythdc ythdf ywha zbed zbp zbtb zc zcchc zdhhc
zeb zfand zfhx zfp zfpm zfr zfx zfyve zic zkscan zmat zmiz zmym zmynd znf znfx znrd znrf zp zscan zswim zw zyg zyx
"""

_SYMBOLS = """
128up 14-3-3epsilon 14-3-3zeta 4e-bp a1bg a2m a4galt aaas abd-a abd-b ac acan accd acf achi acka acna acp1 acr acrb
act42a act57b act5c act79b act87e act88f acta1 acta2 actb actb1 actb2 actc1 actg1 adamts-a adhe adipoq afp ag ager
ago1 ago2 ago3 agrn ahpc ahsg aif1 akh akhr akt al alas2 alb aldoa aldoaa aldob aldoc alpha-est1 alphatub84b
alphatub84d aly ambp amy-p amy1 amy2a amyrel ana2 ance ant antp aos ap1 ap2 ap3 apc apc2 apkc apl apoa1 apoa2 apob
apoe ara arab arac arad arca arm armi arr1 arr2 ascl1 ascl1a ase ash1 asl atm atoh1a atoh7 atpa atpb atpe atpf atph
atpi atr atta attc aub aur aux1 axn b2m b2ma bab1 bab2 bagpipe bam bank1 bap baz bcd beaf-32 bel betatub56d betatub60d
bgcn bglap bgn bi blnk bmm bnl bol bola-drb3 br brat brca1 brca2 brm brp bru1 bruno1 bsk bt btd btf3 btl bw c1qa c1qb
c1qc c3 c4b cab1 cact cad cadn cara carb cas caup cav2 cca1 cd14 cd19 cd34 cd38 cd3d cd3e cd3g cd4 cd68 cd74 cd79a
cd79b cd8a cd8b cd8b1 cebpa cebpb ceca1 cela1 cela3b cenpf cfb cfd cfh cfl1 cftr chat chc chea chico chinmo chp chrd
ci ckm ckmt2 clk clpb clpp clpx clv3 cmlc1 cn cnc cnn cnp co1 co2 co3 cob comr cop1 cora cp190 cpa1 cpb1 cpc cpr67b
crb crestin crp crq crx cry cry1 cry2 cs csn1s1 csn2 csn3 cst3 ctcf ctrb1 ctsg cuc1 cuff cup cvp2 cwo cya cyc cyca
cycb cycd cyce cyda cyoa cysb cysk cyt-c-p cyt-c1 cytb da dac dark dat dazl dcn dcp-1 dct dcx defa5 des desma det1 dfd
diap1 dilp2 dipt dj dl dll dmd dnaa dnaj dnak dnan dnd1 dome don-juan dpm1 dpp dpta dredd drice dronc drs drsl5 dsh
dsor1 dsx duf e(spl)m4-bfm e(spl)m7-hlh e(spl)m8-hlh e(spl)mbeta-hlh e(spl)mgamma-hlh e(z) e74 e75b ecr ed ednrb
eef1a1l1 ef1alpha100e ef1alpha48d ef2 egfl7 egfr egr ela2 elane elav emcn ems en eng eno eno1 eno1a eomes eomesa epcam
epf1 epf2 erl1 esc esg ett eve evi exd ey eya fama fas2 fas3 fau faup fbp1 fbp2 fcer1a fcer1g fga fgb fgg fgr fis flc
flhd fli1 fli1a flic flt1 flt3 flt4 flw fn1 fn1a fnr fos foxo fru ft fth1 fth1a ftl ftl1 ftl3 ftsa ftsh ftsz ftz
ftz-f1 fusa futsch fyn fz fz2 fz3 fzo gad1 gad2 gammatub37c gapa gapdh gapdh1 gapdh2 gapdhs gcg gcga gcgb gcl gcm gcm2
gfap gfi1 ghrl gi gl2 gli glk1 glk2 glna glnb glta glut1 glya gnat1 gnat2 gnly gr5a gr64f grh grim grk grnd groel
groes grol gros grxa gs2 gsb gsc gstd1 gste1 gt gun5 gusb gypa gyra gyrb gzma gzmb h19 h2-aa h2-ab1 h2-d1 h2-eb1 h2-k1
hb hba-a1 hba-x hbaa hbb hbb-bs hbb-bt hbba hbs hep hh hid his2av his3.3a his3.3b hisd hisg hkb hla-a hla-b hla-c
hla-dpa1 hla-dqa1 hla-dra hla-drb1 hla-e hmbs hml hns hop hopx how hp hprt hprt1 hpx hr3 hr38 hr39 hr46 hras hsc70
hsp22 hsp23 hsp26 hsp27 hsp70aa hsp70ab hsp70l hsp83 hsp90aa1 hsp90ab1 hth huc hupa hupb hy5 iapp ibsp icda ier2 ifng
igha1 ighd ighg1 ighm igkc iglc2 iglv ihfa ilp2 ilp3 ilp5 ilvb ilvg imd imp inad infb inr ins ins1 ins2 insc ir25a
ir8a isg15 iswi itk janb jar jchain jigr1 jon25bii jon65ai jon99ci jonah jra jun junb jund kan1 kate katg kay kdr kdrl
keap1 kit kita kn kni kr kras krimp krn kune l(1)sc l(2)gl l(3)mbt lab laca laci lacy lacz lalba lana lanb1 lanb2
laptm5 lck lcp1 ldha ldhb lep leua lexa lfy lgb lgs lhcb1.1 lhcb1.3 lhy lip3 lip4 lola lpl lqf lrp lsp1alpha lsp2 ltk
lum lux lysb lysx lyve1 lyve1b lyz lyz1 lyz2 lz mael maf maf-s mafb mag mal-a1 malat1 male malg malk mamo mamu-a
mamu-dra map2 mapt mara mata1 matalpha1 matalpha2 matk mb mbp mdh1 mdh2 meg3 mega mesp1 meta metb mete mew mfalpha1
mfalpha2 mgp mhc mia mina mind mira mirr mitf mitfa mix1 mixl1 mki67 mlc1 mlc2 mle mobp mod mod(mdg4) mof mog moody
mor mota mpo mpx msgn1 msi msl-1 msl-2 msl-3 mst87f mst98ca mt-atp6 mt-co1 mt-co2 mt-co3 mt-cyb mt-nd1 mt-nd4 mt-rnr1
mt-rnr2 mt1 mt1a mt1x mt2 mt2a mtk mtnd1 mud mute myc mycn mylpfa mylz2 mys mzb1 naca nacad nacalpha nanog nanos narf
ncl ncr1 nd1 nd2 nd3 nd4 nd4l nd5 nd6 ndg ndha ndhb ndhc ndhd ndhf ndhk neat1 neb nes nf1 nf2 ninac ninae nkd nkg7
noc2l nog norpa nos noto npc1a npc2a nphs1 nphs2 nplp2 nplp3 nplp4 npm1 npm1a nppa nppb nras nrg nrv1 nrv2 nrv3 nrx-iv
nsyb ntla ntrc nub numb nurf obp19d obp28a obp44a obp56a obp83b obp99b oc oct4 odd omb ompa ompc ompf ompx opa opn1sw1
or22a or42b or83b orb orb2 orco os-e os-f osa osk otd oval ovgp1 pan panx par-6 pb pbsn pc pck pcna pdf pdgfra pdgfrb
pdm2 pdp1 pdx1 per peta petb petd petg pfka pgc pgi pgk pgrp-lc pgrp-sc1a pgrp-sd ph-p phb phl pho phoa phob phop phoq
phor phv phya phyb pi pif4 pin1 piwi pkm pll plp plt1 plvap pmel pmela pmra pnlip pnp4a pnr pnt pole polo por postn
ppia ppiaa ppib ppo1 ppo2 ppo3 ppy prd prf1 prm1 prm2 pros protb prtl99c prtn3 psaa psab psaj psba psbb psbc psbd psc
psq psts pta ptc pten ptma ptmaa ptprc puc pum pvalb pygo pyka pyrb pyri qin rack rack1 ran ras85d rb1 rbcl rbcs
rbcs1a reca recn repo rev rh1 rh3 rh4 rh5 rh6 rheb rhi rho rhoa rhogap rl rlbp1a rn45s rox1 rox2 rpla rplb rpoa rpob
rpoc rpoc1 rpoc2 rpod rpoh rpon rpos rpr rpsa rpsb rst rt1-a2 rt1-da ry s100a1 s100a10b s100a4 s100a6 s100a8 s100a9
s100b s6k sal salm salr sas-4 sc scl3 scmh1 scr scrib scrm scyl3 sd sdha seca secy sell sens sera sert sfmbt sftpa1
sftpb sftpc sftpd sgg shg shh shha shr siglech sinu skl sla-1 sla-dra sln slp1 slp2 sls smo sna snpf snr1 sns soc1
soda sodb soxr soxs sp7 sparc spch spd-2 spdo spi spi1 spi1b spib spl spn-e spz sqh srp sst st sta std stg stm
stomagen su(h) su(hw) su(z)12 sula sup svp sxl syb sycp1 sycp3 syp ta tbp tbxt tbxta tcap tej tek tf tfl1 tfrc th thor
thra thrb thrc thrl tim tll tmm tnf tnmd tnp1 tnp2 toc1 tolc toll tomb top2a topi tor toy tp53 tp63 tpi1 tpi1b tpnc41c
tpt1 tra trac trdc trdn trf trh trl trol trp trpa trpb trpe trpl trpr trx trxa try try2 tsf tsf1 tsix ttn ttr tufa
tufb tut twe twi twine tyms tyr tyrobp ubb ubc ubi-p5e ubi-p63e ubx ufo umod umud upd1 upd2 upd3 ush usp uvra uvrb
vacht vas vasa vegt ventx1 ventx1.2 ventx2 vg vg1 vglut vhl vim vis vkg vmhc vn vnd7 vri vtn vwf wer wg wgn wor wox5
wt1 wupa wus xbra xist xpa yab1 yab2 yan ycf1 ycf2 ycf3 yp1 yp2 yp3 yps ywhae ywhaz zap70 zeste zip zpg zuc zwint zyx
zzef1 zzz3
"""

FAMILIES = frozenset(_FAMILIES.split())
"""What stands before the number in symbols of genes."""

SYMBOLS = frozenset(_SYMBOLS.split())
"""Symbols that name a gene as they stand."""
